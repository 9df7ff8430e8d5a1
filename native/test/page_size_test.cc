#include "memory/page_size.h"

#include <sys/mman.h>
#include <unistd.h>

#include "os/system_calls.h"
#include "test/tap.h"

namespace pinfold::memory {
namespace {

TEST("the base page is the machine's") { CHECK_EQUAL(basePageSize(), static_cast<std::size_t>(::getpagesize())); }

TEST("a hugetlb size is encoded as mmap and memfd_create want it") {
  const PageSize page2MiB{PageKind::Hugetlb, std::size_t{2} << 20U};
  const PageSize page1GiB{PageKind::Hugetlb, std::size_t{1} << 30U};
  CHECK_EQUAL(page2MiB.encoded(os::kHugeShift), 21U << 26U);
  CHECK_EQUAL(page1GiB.encoded(os::kHugeShift), 30U << 26U);
  CHECK_EQUAL((PageSize{PageKind::Hugetlb, std::size_t{16} << 30U}).encoded(os::kHugeShift), 34U << 26U);
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
