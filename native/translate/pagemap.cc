#include "translate/pagemap.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "memory/page_size.h"
#include "memory/process_wide.h"
#include "os/system_error.h"

namespace pinfold::translate {
namespace {

constexpr std::uint64_t kInSwap = 1ULL << 62;
constexpr std::uint64_t kGuard = 1ULL << 58;
constexpr std::uint64_t kFrameMask = (1ULL << 55) - 1;

// The physical address minus `offset`, or the reason why it is unknown (pagemap.h).
double placeOf(std::uint64_t entry, std::size_t base, std::uint64_t offset) noexcept {
  if ((entry & kPagemapPresent) != 0) {
    const std::uint64_t frame = entry & kFrameMask;
    return frame == 0 ? kHidden : static_cast<double>(static_cast<std::int64_t>(frame * base - offset));
  }
  // The kernel stores a guard page in a swap entry, so the pagemap also marks it as swapped.
  return (entry & (kInSwap | kGuard)) == kInSwap ? kSwapped : kAbsent;
}

}  // namespace

Pagemap::Pagemap(int pid) {
  const std::string process = pid == 0 ? "self" : std::to_string(pid);
  file_ = os::Descriptor(::open(("/proc/" + process + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file_.valid()) os::throwErrno("open", {{"pid", static_cast<double>(pid)}});
}

const Pagemap& Pagemap::self() {
  struct Self {
    Pagemap pagemap{0};
  };
  return memory::processWide<Self>().pagemap;
}

std::uint64_t Pagemap::entry(std::uint64_t address) const {
  std::uint64_t entry = 0;
  entries(address, {&entry, 1});
  return entry;
}

void Pagemap::entries(std::uint64_t address, std::span<std::uint64_t> out) const {
  const std::size_t base = memory::basePageSize();
  auto offset = static_cast<off_t>(address / base * sizeof(std::uint64_t));
  while (!out.empty()) {
    // The system call is made directly. pread(3) is a cancellation point, and the code of glibc for that costs 5 % of
    // reading one entry.
    const auto got = ::syscall(SYS_pread64, file_.number(), out.data(), out.size_bytes(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) os::throwErrno("pread", {{"address", static_cast<double>(address)}});
    const std::size_t count = static_cast<std::size_t>(got) / sizeof(std::uint64_t);
    if (count == 0) {
      requireMemory();
      std::ranges::fill(out, 0);
      return;
    }
    out = out.subspan(count);
    offset += got;
  }
}

// For a kernel thread or a zombie, the pagemap is empty on some kernels (6.1). Other kernels fail with ESRCH, and so
// does this function.
void Pagemap::requireMemory() const {
  std::uint64_t first = 0;
  if (::pread(file_.number(), &first, sizeof first, 0) == 0) throw os::SystemError("pread", ESRCH);
}

void Pagemap::displacements(std::uint64_t address, std::size_t stride, std::uint64_t offset,
                            std::span<double> out) const {
  const std::size_t base = memory::basePageSize();
  if (stride != base) {
    for (double& page : out) {
      page = placeOf(entry(address), base, offset);
      address += stride;
      offset += stride;
    }
    return;
  }
  std::array<std::uint64_t, 4096> buffer;
  while (!out.empty()) {
    const std::size_t count = std::min(out.size(), buffer.size());
    const std::span<std::uint64_t> read(buffer.data(), count);
    entries(address, read);
    for (std::size_t page = 0; page < count; ++page, offset += stride) out[page] = placeOf(read[page], base, offset);
    out = out.subspan(count);
    address += count * base;
  }
}

}  // namespace pinfold::translate
