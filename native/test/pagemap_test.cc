#include "translate/pagemap.h"

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <vector>

#include "memory/address_range.h"
#include "memory/mapping.h"
#include "os/system_calls.h"
#include "os/system_error.h"
#include "test/capabilities.h"
#include "test/child.h"
#include "test/hugepages.h"
#include "test/kernel_view.h"
#include "test/mapping_request.h"
#include "test/physical_pages.h"
#include "test/tap.h"
#include "test/untouched_pages.h"

namespace pinfold::translate {
namespace {

using memory::AddressRange;
using memory::basePageSize;

std::vector<double> translated(const AddressRange& range, std::size_t stride) {
  std::vector<double> pages(range.size() / stride);
  test::readPhysical(Pagemap::self(), test::numberOf(range.begin()), stride, pages);
  return pages;
}

void requireFrames() {
  const AddressRange range = test::untouched(1);
  *range.begin() = std::byte{1};
  if (translated(range, basePageSize()).front() == kHidden)
    SKIP("page frame numbers are hidden: CAP_SYS_ADMIN is wanted");
}

TEST("a touched page has a physical address, an untouched one is absent") {
  requireFrames();
  const AddressRange range = test::untouched(3);
  range.begin()[basePageSize()] = std::byte{1};
  const std::vector<double> pages = translated(range, basePageSize());
  CHECK_EQUAL(pages[0], kAbsent);
  CHECK(pages[1] > 0);
  CHECK_EQUAL(static_cast<std::uint64_t>(pages[1]) % basePageSize(), 0U);
  CHECK_EQUAL(pages[2], kAbsent);
}

TEST("two mappings of one memfd have the same physical addresses") {
  requireFrames();
  const os::Descriptor file(::memfd_create("pinfold:pagemap-test", MFD_CLOEXEC));
  const std::size_t size = 8 * basePageSize();
  CHECK_EQUAL(::ftruncate(file.number(), static_cast<off_t>(size)), 0);
  std::vector<AddressRange> ranges;
  for (int i = 0; i < 2; ++i) {
    void* const begin = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file.number(), 0);
    CHECK(begin != MAP_FAILED);
    ranges.emplace_back(static_cast<std::byte*>(begin), size);
  }
  const std::vector<double> one = translated(ranges[0], basePageSize());
  CHECK(std::ranges::all_of(one, [](double page) { return page > 0; }));
  CHECK(one == translated(ranges[1], basePageSize()));
}

TEST("a stride of several pages tells every so manieth page") {
  requireFrames();
  const memory::Mapping mapping = test::made(test::requestOf(12 * basePageSize()));
  const std::uint64_t address = test::numberOf(mapping.begin());
  std::vector<double> each(12);
  std::vector<double> third(4);
  test::readPhysical(Pagemap::self(), address, basePageSize(), each);
  test::readPhysical(Pagemap::self(), address, 3 * basePageSize(), third);
  for (std::size_t i = 0; i < third.size(); ++i) CHECK_EQUAL(third[i], each[3 * i]);
}

TEST("a displacement is where a page lies minus where it lies in its range, and an unknown page has none") {
  requireFrames();
  const AddressRange range = test::untouched(4);
  for (const std::size_t page : {0U, 1U, 3U}) range.begin()[page * basePageSize()] = std::byte{1};
  const std::vector<double> places = translated(range, basePageSize());
  std::vector<double> pages(4);
  const std::size_t offset = 10 * basePageSize();
  Pagemap::self().displacements(test::numberOf(range.begin()), basePageSize(), offset, pages);
  for (const std::size_t page : {0U, 1U, 3U}) {
    CHECK_EQUAL(pages[page], places[page] - static_cast<double>(offset + page * basePageSize()));
  }
  CHECK_EQUAL(pages[2], kAbsent);
}

TEST("a hugepage's entries are one stretch of physical memory") {
  requireFrames();
  test::requireHugepages(1);
  const memory::Mapping mapping = test::made(test::hugetlbRequest(1));
  std::vector<double> pages(test::hugepageSize() / basePageSize());
  test::readPhysical(Pagemap::self(), test::numberOf(mapping.begin()), basePageSize(), pages);
  CHECK_EQUAL(static_cast<std::uint64_t>(pages.front()) % test::hugepageSize(), 0U);
  for (std::size_t i = 0; i < pages.size(); ++i) {
    CHECK_EQUAL(pages[i], pages.front() + static_cast<double>(i * basePageSize()));
  }
}

TEST("more pages than one read takes come out as when they are read one by one") {
  const AddressRange range = test::untouched(10'000);
  for (std::size_t page = 0; page < 10'000; page += 7) range.begin()[page * basePageSize()] = std::byte{1};
  std::vector<std::uint64_t> bulk(10'000);
  Pagemap::self().entries(test::numberOf(range.begin()), bulk);
  for (std::size_t page = 0; page < 10'000; ++page) {
    CHECK_EQUAL(bulk[page], Pagemap::self().entry(test::numberOf(range.begin() + page * basePageSize())));
    CHECK_EQUAL(bulk[page] >> 63U, page % 7 == 0 ? 1U : 0U);
  }
  const std::vector<double> pages = translated(range, basePageSize());
  for (std::size_t page = 0; page < 10'000; ++page) CHECK_EQUAL(pages[page] == kAbsent, page % 7 != 0);
}

TEST("where nothing can be mapped, entries are 0 and pages absent") {
  for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{1} << 52U, (std::uint64_t{1} << 53U) - 1,
                                      std::numeric_limits<std::uint64_t>::max()}) {
    CHECK_EQUAL(Pagemap::self().entry(address), 0U);
    std::vector<double> pages(3, 1.0);
    test::readPhysical(Pagemap::self(), address, std::size_t{1} << 53U, pages);
    CHECK(std::ranges::all_of(pages, [](double page) { return page == kAbsent; }));
    test::readPhysical(Pagemap::self(), address, basePageSize(), pages);
    CHECK_EQUAL(pages.front(), kAbsent);
  }
  std::vector<double> none;
  test::readPhysical(Pagemap::self(), 0, 0, none);
}

TEST("without CAP_SYS_ADMIN a page is hidden, never at the address 0") {
  test::inChild([] {
    test::dropCapability(CAP_SYS_ADMIN);
    const AddressRange range = test::untouched(2);
    *range.begin() = std::byte{1};
    std::vector<double> pages(2);
    test::readPhysical(Pagemap(0), test::numberOf(range.begin()), basePageSize(), pages);
    CHECK_EQUAL(pages[0], kHidden);
    CHECK_EQUAL(pages[1], kAbsent);
  });
}

TEST("a page that was swapped out says so") {
  if (::access("/proc/swaps", R_OK) != 0) SKIP("no /proc/swaps");
  std::ifstream swaps("/proc/swaps");
  std::string line;
  std::getline(swaps, line);
  if (!std::getline(swaps, line)) SKIP("this machine has no swap");
  constexpr int kPageOut = 21;  // MADV_PAGEOUT, Linux 5.4
  const AddressRange range = test::untouched(1);
  *range.begin() = std::byte{1};
  if (::madvise(range.begin(), range.size(), kPageOut) != 0) SKIP("this kernel has no MADV_PAGEOUT");
  if (translated(range, basePageSize()).front() != kSwapped) SKIP("the kernel did not swap the page out");
  CHECK(*range.begin() == std::byte{1});
  CHECK(translated(range, basePageSize()).front() != kSwapped);
}

TEST("another process is read by its number") {
  const AddressRange range = test::untouched(2);
  *range.begin() = std::byte{1};
  int ends[2] = {};
  CHECK_EQUAL(::pipe(ends), 0);
  const os::Descriptor out(ends[0]);
  os::Descriptor in(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    in.reset();
    char byte = 0;
    (void)!::read(out.number(), &byte, 1);  // waits until the parent continues
    ::_exit(0);
  }
  std::vector<std::uint64_t> entries(2);
  Pagemap(child).entries(test::numberOf(range.begin()), entries);
  in.reset();
  CHECK_EQUAL(::waitpid(child, nullptr, 0), child);
  CHECK_EQUAL(entries[0] >> 63U, 1U);
  CHECK_EQUAL(entries[1] >> 62U, 0U);  // neither present nor swapped; the soft-dirty bit may be set
}

TEST("a process that is not there is an error that names it") {
  const int nobody = std::numeric_limits<int>::max();
  try {
    (void)Pagemap(nobody);
  } catch (const os::SystemError& error) {
    CHECK_EQUAL(error.call(), "open");
    CHECK_EQUAL(error.error(), ENOENT);
    CHECK_EQUAL(error.values().front().second, static_cast<double>(nobody));
    return;
  }
  CHECK(false);
}

}  // namespace
}  // namespace pinfold::translate

TAP_MAIN()
