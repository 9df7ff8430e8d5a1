#include "memory/address_range.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "memory/page_size.h"
#include "os/system_error.h"
#include "test/child.h"
#include "test/kernel_view.h"
#include "test/tap.h"

namespace pinfold::memory {
namespace {

constexpr int kNothing = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

AddressRange reserved(std::size_t pages) {
  const std::size_t size = pages * basePageSize();
  void* const begin = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, kNothing, -1, 0);
  if (begin == MAP_FAILED) os::throwErrno("mmap");
  return {static_cast<std::byte*>(begin), size};
}

bool isMapped(const void* address) { return test::viewOf(address).has_value(); }

TEST("a range is unmapped when its owner goes") {
  const std::byte* begin = nullptr;
  {
    const AddressRange range = reserved(3);
    begin = range.begin();
    CHECK(isMapped(begin));
  }
  CHECK(!isMapped(begin));
}

TEST("released twice, it is unmapped once") {
  AddressRange range = reserved(1);
  std::byte* const begin = range.begin();
  range.release();
  CHECK(!isMapped(begin));
  CHECK_EQUAL(range.size(), 0U);
  // Another owner now maps the same address.
  void* const other = ::mmap(begin, basePageSize(), PROT_READ, kNothing | MAP_FIXED_NOREPLACE, -1, 0);
  CHECK(other == begin);
  range.release();
  CHECK(isMapped(begin));
  CHECK_EQUAL(::munmap(other, basePageSize()), 0);
}

TEST("its ends can be split off, and go by themselves") {
  AddressRange range = reserved(6);
  std::byte* const begin = range.begin();
  const std::size_t page = basePageSize();
  {
    const AddressRange front = range.takeFront(page);
    const AddressRange back = range.takeBack(2 * page);
    CHECK(front.begin() == begin);
    CHECK(back.begin() == begin + 4 * page);
    CHECK(range.begin() == begin + page);
    CHECK_EQUAL(range.size(), 3 * page);
  }
  CHECK(!isMapped(begin));
  CHECK(isMapped(begin + page));
  CHECK(isMapped(begin + 3 * page));
  CHECK(!isMapped(begin + 4 * page));
}

TEST("moving hands it on, and releases what the target had") {
  AddressRange first = reserved(1);
  AddressRange second = reserved(2);
  std::byte* const kept = first.begin();
  const std::byte* const gone = second.begin();
  second = std::move(first);
  CHECK(second.begin() == kept);
  CHECK(isMapped(kept));
  CHECK(!isMapped(gone));
}

TEST("disowned, it stays") {
  AddressRange range = reserved(1);
  std::byte* const begin = range.begin();
  range.disown();
  range.release();
  CHECK(isMapped(begin));
  CHECK_EQUAL(::munmap(begin, basePageSize()), 0);
}

// Fills the address space with as many kernel mappings as the process may have: every second page is protected.
class FullAddressSpace {
 public:
  FullAddressSpace() {
#ifdef __SANITIZE_THREAD__
    SKIP("ThreadSanitizer itself cannot live in a full address space; AddressSanitizer's run covers this");
#endif
    const std::size_t most = test::numberIn("/proc/sys/vm/max_map_count");
    if (most > 1'000'000) SKIP("vm.max_map_count is " + std::to_string(most) + ": too many mappings to make");
    pages_ = reserved(2 * most);
    for (std::size_t i = 1; i < 2 * most; i += 2) {
      if (::mprotect(pages_.begin() + i * basePageSize(), basePageSize(), PROT_NONE) == 0) continue;
      if (errno != ENOMEM) os::throwErrno("mprotect");
      return;
    }
    throw tap::Failure("the address space is not full");
  }

  // Splits a kernel mapping that was made before into its pages. Each gap in it then needs one more mapping.
  static std::vector<AddressRange> pagesOf(AddressRange whole) {
    std::vector<AddressRange> pages;
    while (whole.size() > 0) pages.push_back(whole.takeFront(basePageSize()));
    return pages;
  }

 private:
  AddressRange pages_;
};

TEST("a range that the kernel will not take back yet stays owned, joins its neighbours, and goes with a later one") {
  test::inChild([] {
    std::vector<AddressRange> pages = FullAddressSpace::pagesOf(reserved(11));
    const std::byte* const begin = pages.front().begin();
    const auto at = [&](std::size_t i) { return begin + i * basePageSize(); };
    {
      const FullAddressSpace full;
      pages[3].release();
      CHECK_EQUAL(AddressRange::pendingCount(), 1U);
      pages[5].release();
      pages[8].release();
      CHECK_EQUAL(AddressRange::pendingCount(), 3U);
      pages[4].release();  // joins 3, 4 and 5
      CHECK_EQUAL(AddressRange::pendingCount(), 2U);
      // isReadable() does not read /proc: in a full address space, not even the test can get more memory.
      for (const std::size_t i : {3U, 4U, 5U, 8U}) CHECK(test::isReadable(at(i)));
      pages[2].release();  // joins 3 to 5 at the front
      pages[9].release();  // joins 8 at the end
      CHECK_EQUAL(AddressRange::pendingCount(), 2U);
      pages[10].release();  // reaches the end of the mapping, so 8 to 10 are unmapped without a further mapping
      CHECK_EQUAL(AddressRange::pendingCount(), 1U);
      CHECK(!test::isReadable(at(8)));
      CHECK(test::isReadable(at(2)));
    }
    // The mappings of `full` are gone, which made room for the ranges that waited.
    CHECK_EQUAL(AddressRange::pendingCount(), 0U);
    for (const std::size_t i : {2U, 3U, 4U, 5U}) CHECK(!isMapped(at(i)));
    for (const std::size_t i : {0U, 1U, 6U, 7U}) CHECK(isMapped(at(i)));
  });
}

TEST("released in any order at the limit, they all go with the last") {
  test::inChild([] {
    std::vector<AddressRange> pages = FullAddressSpace::pagesOf(reserved(2000));
    const std::byte* const begin = pages.front().begin();
    const FullAddressSpace full;
    std::shuffle(pages.begin(), pages.end(), std::mt19937(1));
    for (AddressRange& page : pages) page.release();
    CHECK_EQUAL(AddressRange::pendingCount(), 0U);
    for (std::size_t i = 0; i < pages.size(); ++i) CHECK(!test::isReadable(begin + i * basePageSize()));
  });
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
