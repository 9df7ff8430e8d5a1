#include "translate/page_scan.h"

#include <sys/ioctl.h>

#include <cerrno>

#include "os/system_error.h"

namespace pinfold::translate {
namespace {

// struct pm_scan_arg of include/uapi/linux/fs.h, which the headers of Linux before 6.7 lack.
struct ScanArgument {
  std::uint64_t size;
  std::uint64_t flags;
  std::uint64_t start;
  std::uint64_t end;
  std::uint64_t walkEnd;
  std::uint64_t stretches;
  std::uint64_t stretchCount;
  std::uint64_t mostPages;
  std::uint64_t inverted;
  std::uint64_t allOf;
  std::uint64_t anyOf;
  std::uint64_t returned;
};
static_assert(sizeof(ScanArgument) == 96 && sizeof(PageStretch) == 24);

constexpr unsigned long kPagemapScan = _IOWR('f', 16, ScanArgument);

}  // namespace

PageScan scanPages(int pagemap, std::uint64_t start, std::uint64_t end, std::span<PageStretch> stretches) {
  ScanArgument argument{};
  argument.size = sizeof argument;
  argument.start = start;
  argument.end = end;
  argument.stretches = reinterpret_cast<std::uintptr_t>(stretches.data());
  argument.stretchCount = stretches.size();
  argument.anyOf = kScanPresent | kScanSwapped;
  argument.returned = kScanPresent | kScanSwapped | kScanHuge;
  while (true) {
    const int found = ::ioctl(pagemap, kPagemapScan, &argument);
    if (found >= 0) return {static_cast<std::size_t>(found), argument.walkEnd};
    // A signal ends the scan before it has returned anything.
    if (errno != EINTR) os::throwErrno("ioctl", {{"address", static_cast<double>(start)}});
  }
}

}  // namespace pinfold::translate
