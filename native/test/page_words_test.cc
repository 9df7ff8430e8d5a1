#include "translate/page_words.h"

#include <linux/capability.h>
#include <linux/kernel-page-flags.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <random>
#include <vector>

#include "memory/mapping.h"
#include "os/system_error.h"
#include "test/child.h"
#include "test/hugepages.h"
#include "test/kernel_view.h"
#include "test/mapping_request.h"
#include "test/physical_pages.h"
#include "test/tap.h"
#include "translate/pagemap.h"

namespace pinfold::translate {
namespace {

using memory::basePageSize;

std::vector<double> physicalOf(const memory::Mapping& mapping) {
  std::vector<double> pages(mapping.size() / basePageSize());
  test::readPhysical(Pagemap::self(), test::numberOf(mapping.begin()), basePageSize(), pages);
  return pages;
}

std::vector<std::uint64_t> wordsOf(PageWords file, const std::vector<double>& physical) {
  std::vector<std::uint64_t> words(physical.size(), 99);
  readPageWords(file, physical, words);
  return words;
}

void requireWords() {
  if (::access("/proc/kpageflags", R_OK) != 0) SKIP("/proc/kpageflags cannot be read: root is wanted");
  const memory::Mapping mapping = test::made(test::requestOf());
  if (physicalOf(mapping).front() == kHidden) SKIP("page frame numbers are hidden: CAP_SYS_ADMIN is wanted");
}

bool has(std::uint64_t word, unsigned flag) { return (word >> flag & 1U) == 1; }

TEST("a private page is anonymous and mapped, once") {
  requireWords();
  memory::MappingRequest request = test::requestOf();
  request.backing = memory::Backing::Anonymous;
  const memory::Mapping mapping = test::made(request);
  const std::vector<double> physical = physicalOf(mapping);
  for (const std::uint64_t word : wordsOf(PageWords::Flags, physical)) {
    CHECK(has(word, KPF_ANON));
    CHECK(has(word, KPF_MMAP));
  }
  for (const std::uint64_t word : wordsOf(PageWords::Count, physical)) CHECK_EQUAL(word, 1U);
}

TEST("a hugetlb page's head and tails are told") {
  requireWords();
  test::requireHugepages(1);
  const memory::Mapping mapping = test::made(test::hugetlbRequest(1));
  const std::vector<std::uint64_t> words = wordsOf(PageWords::Flags, physicalOf(mapping));
  CHECK(std::ranges::all_of(words, [](std::uint64_t word) { return has(word, KPF_HUGE); }));
  CHECK(has(words.front(), KPF_COMPOUND_HEAD));
  CHECK(has(words.back(), KPF_COMPOUND_TAIL));
}

TEST("in any order, with gaps, each frame gets its own word") {
  requireWords();
  memory::MappingRequest request = test::requestOf(300 * basePageSize());
  request.backing = memory::Backing::Anonymous;
  const memory::Mapping mapping = test::made(request);
  std::vector<double> physical = physicalOf(mapping);
  for (std::size_t i = 0; i < physical.size(); i += 5) physical[i] = kAbsent;
  std::ranges::sort(physical);
  const auto check = [&physical] {
    const std::vector<std::uint64_t> together = wordsOf(PageWords::Count, physical);
    for (std::size_t i = 0; i < physical.size(); ++i) {
      CHECK_EQUAL(together[i], wordsOf(PageWords::Count, {physical[i]}).front());
      CHECK_EQUAL(together[i], physical[i] < 0 ? 0U : 1U);
    }
  };
  check();
  std::ranges::shuffle(physical, std::mt19937(1));
  check();
}

TEST("an address inside a page has the page's word") {
  requireWords();
  const memory::Mapping mapping = test::made(test::requestOf());
  const double first = physicalOf(mapping).front();
  const std::vector<std::uint64_t> words = wordsOf(PageWords::Count, {first, first + 1, first + 4000});
  CHECK_EQUAL(words[1], words[0]);
  CHECK_EQUAL(words[2], words[0]);
}

TEST("what is no address, or past the end of memory, has the word 0") {
  requireWords();
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const PageWords file : {PageWords::Flags, PageWords::Count}) {
    for (const double address : {kAbsent, kSwapped, kHidden, -infinity, infinity, nan, 0x1p51, 0x1p52, 0x1p63, 1e300}) {
      CHECK_EQUAL(wordsOf(file, {address}).front(), 0U);
      const std::vector<std::uint64_t> three = wordsOf(file, {address, address, address});
      CHECK(std::ranges::all_of(three, [](std::uint64_t word) { return word == 0; }));
    }
  }
  CHECK(wordsOf(PageWords::Flags, {}).empty());
}

TEST("whoever may not read them gets the refusal") {
  test::inChild([] {
    constexpr unsigned kNobody = 65534;
    if (::setuid(kNobody) != 0 || ::access("/proc/kpagecount", R_OK) == 0) SKIP("root is wanted, to become nobody");
    try {
      (void)wordsOf(PageWords::Count, {0});
    } catch (const os::SystemError& error) {
      CHECK_EQUAL(error.call(), "open");
      CHECK_EQUAL(error.error(), EACCES);
      return;
    }
    CHECK(false);
  });
}

}  // namespace
}  // namespace pinfold::translate

TAP_MAIN()
