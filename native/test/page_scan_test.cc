#include "translate/page_scan.h"

#include <fcntl.h>

#include <array>
#include <cerrno>

#include "memory/address_range.h"
#include "memory/page_size.h"
#include "os/descriptor.h"
#include "os/system_error.h"
#include "test/kernel_view.h"
#include "test/tap.h"
#include "test/untouched_pages.h"

namespace pinfold::translate {
namespace {

using memory::AddressRange;
using memory::basePageSize;

os::Descriptor ownPagemap() { return os::Descriptor(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)); }

PageScan scanOrSkip(const AddressRange& range, std::span<PageStretch> stretches) {
  const os::Descriptor pagemap = ownPagemap();
  const std::uint64_t start = test::numberOf(range.begin());
  try {
    return scanPages(pagemap.number(), start, start + range.size(), stretches);
  } catch (const os::SystemError& error) {
    if (error.error() == ENOTTY) SKIP("this kernel has no PAGEMAP_SCAN: Linux 6.7 has it");
    throw;
  }
}

TEST("touched pages are found as stretches, and nothing between them") {
  const AddressRange range = test::untouched(8);
  for (const std::size_t page : {1U, 2U, 5U}) range.begin()[page * basePageSize()] = std::byte{1};
  std::array<PageStretch, 4> stretches{};
  const PageScan scan = scanOrSkip(range, stretches);
  const std::uint64_t start = test::numberOf(range.begin());
  CHECK_EQUAL(scan.found, 2U);
  CHECK_EQUAL(scan.next, start + range.size());
  CHECK_EQUAL(stretches[0].start, start + basePageSize());
  CHECK_EQUAL(stretches[0].end, start + 3 * basePageSize());
  CHECK_EQUAL(stretches[0].categories, kScanPresent);
  CHECK_EQUAL(stretches[1].start, start + 5 * basePageSize());
  CHECK_EQUAL(stretches[1].end, start + 6 * basePageSize());
}

TEST("a scan that finds more stretches than it may write says where to go on") {
  const AddressRange range = test::untouched(8);
  for (const std::size_t page : {1U, 3U, 5U}) range.begin()[page * basePageSize()] = std::byte{1};
  std::array<PageStretch, 2> stretches{};
  const PageScan scan = scanOrSkip(range, stretches);
  CHECK_EQUAL(scan.found, 2U);
  CHECK(scan.next > stretches[1].start);
  CHECK(scan.next <= test::numberOf(range.begin()) + 5 * basePageSize());
}

TEST("a file that is no pagemap is refused") {
  const os::Descriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::array<PageStretch, 1> stretches{};
  int refusal = 0;
  try {
    (void)scanPages(file.number(), 0, basePageSize(), stretches);
  } catch (const os::SystemError& error) {
    refusal = error.error();
  }
  CHECK_EQUAL(refusal, ENOTTY);
}

}  // namespace
}  // namespace pinfold::translate

TAP_MAIN()
