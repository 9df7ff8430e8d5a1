#include "translate/range_use.h"

#include <sys/mman.h>

#include "memory/address_range.h"
#include "memory/page_size.h"
#include "os/system_calls.h"
#include "test/kernel_view.h"
#include "test/tap.h"
#include "test/untouched_pages.h"

namespace pinfold::translate {
namespace {

using memory::AddressRange;
using memory::basePageSize;

AddressRange touched(std::size_t pages) {
  AddressRange range = test::untouched(pages);
  for (std::size_t page = 0; page < pages; ++page) range.begin()[page * basePageSize()] = std::byte{1};
  return range;
}

RangeUse useOrSkip(const AddressRange& range) {
  const auto use = rangeUse(test::numberOf(range.begin()), range.size());
  if (!use) SKIP("this kernel has no PROCMAP_QUERY (Linux 6.11) or no PAGEMAP_SCAN (6.7)");
  return *use;
}

TEST("the bytes of a range are counted over all of its mappings, and locked ones apart") {
  const AddressRange range = touched(8);
  CHECK_EQUAL(useOrSkip(range).locked, 0U);
  // Not by mlock, which does nothing under a sanitizer.
  if (os::lockOnFault(range.begin() + 2 * basePageSize(), 3 * basePageSize()) != 0) SKIP("no memory may be locked");
  const RangeUse use = useOrSkip(range);
  CHECK_EQUAL(use.resident, range.size());
  CHECK_EQUAL(use.locked, 3 * basePageSize());
  CHECK_EQUAL(use.pageSize, basePageSize());
  CHECK_EQUAL(use.hugetlbPrivate + use.hugetlbShared, 0U);
  CHECK(use.mapped >= range.size());
}

TEST("nothing is said about a range with a page that is not present, or not mapped") {
  const AddressRange range = touched(8);
  CHECK_EQUAL(useOrSkip(range).resident, range.size());
  CHECK(::madvise(range.begin() + 5 * basePageSize(), basePageSize(), MADV_DONTNEED) == 0);
  CHECK(!rangeUse(test::numberOf(range.begin()), range.size()));
  range.begin()[5 * basePageSize()] = std::byte{1};
  CHECK(rangeUse(test::numberOf(range.begin()), range.size()).has_value());
  CHECK(!rangeUse(0, basePageSize()));
}

}  // namespace
}  // namespace pinfold::translate

TAP_MAIN()
