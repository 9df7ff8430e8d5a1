#include "memory/populate.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include "memory/address_range.h"
#include "os/descriptor.h"
#include "os/system_error.h"
#include "test/child.h"
#include "test/hugepages.h"
#include "test/kernel_view.h"
#include "test/scratch_hugetlbfs.h"
#include "test/tap.h"
#include "translate/pagemap.h"

namespace pinfold::memory {
namespace {

constexpr std::size_t kChunk = kPopulateChunk;

AddressRange mapped(std::size_t size, int flags, int file = -1) {
  void* const begin = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, file, 0);
  if (begin == MAP_FAILED) os::throwErrno("mmap");
  // The mapping uses base pages, whatever the machine's THP mode is.
  (void)::madvise(begin, size, MADV_NOHUGEPAGE);
  return {static_cast<std::byte*>(begin), size};
}

AddressRange anonymous(std::size_t size) { return mapped(size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE); }

os::Descriptor memfd(std::size_t size) {
  os::Descriptor file(::memfd_create("pinfold:populate-test", MFD_CLOEXEC));
  if (!file.valid() || ::ftruncate(file.number(), static_cast<off_t>(size)) != 0) os::throwErrno("memfd_create");
  return file;
}

bool present(const AddressRange& range, std::size_t offset) {
  // Pagemap::self() is not used: in a forked child, it is the pagemap of the parent.
  return translate::Pagemap(0).entry(test::numberOf(range.begin() + offset)) >> 63U == 1;
}

std::size_t presentPages(const AddressRange& range) {
  std::vector<std::uint64_t> entries(range.size() / basePageSize());
  translate::Pagemap(0).entries(test::numberOf(range.begin()), entries);
  return static_cast<std::size_t>(std::ranges::count_if(entries, [](auto entry) { return entry >> 63U == 1; }));
}

Populate all(const AddressRange& range, unsigned threads) {
  return {.begin = range.begin(), .size = range.size(), .page = {PageKind::Base, basePageSize()}, .threads = threads};
}

// The errno with which populate() fails; 0 if it does not fail.
int failureOf(const Populate& request, const std::atomic<bool>& cancelled) {
  try {
    populate(request, cancelled);
  } catch (const os::SystemError& error) {
    CHECK_EQUAL(error.call(), "madvise");
    return error.error();
  }
  return 0;
}

const std::atomic<bool> never = false;

TEST("every page is there, whether one thread brings them in or more threads than there are chunks") {
  for (const unsigned threads : {1U, 2U, 5U}) {
    const AddressRange range = anonymous(2 * kChunk + basePageSize());
    populate(all(range, threads), never);
    CHECK_EQUAL(presentPages(range), range.size() / basePageSize());
  }
}

TEST("cancelled before it begins, it brings in nothing") {
  const AddressRange range = anonymous(kChunk);
  const std::atomic<bool> cancelled = true;
  CHECK_EQUAL(failureOf(all(range, 2), cancelled), ECANCELED);
  CHECK_EQUAL(presentPages(range), 0U);
}

std::atomic<bool> interrupted = false;

// The timer counts processor time. So the signal comes while a chunk is populated, and its handler runs when that chunk
// is done. The test does not depend on another thread that must run in time, so it also works on a busy machine.
TEST("cancelled meanwhile, it ends after the chunk that is under way") {
  test::inChild([] {
    struct sigaction action = {};
    action.sa_handler = [](int) { interrupted.store(true); };
    if (::sigaction(SIGPROF, &action, nullptr) != 0) os::throwErrno("sigaction");
    const AddressRange range = anonymous(64 * kChunk);
    const itimerval soon = {.it_interval = {0, 0}, .it_value = {0, 1}};
    if (::setitimer(ITIMER_PROF, &soon, nullptr) != 0) os::throwErrno("setitimer");
    CHECK_EQUAL(failureOf(all(range, 1), interrupted), ECANCELED);
    CHECK(present(range, kChunk - basePageSize()));
    CHECK(!present(range, 63 * kChunk));
  });
}

TEST("what cannot be had is an error from every thread count, never a signal") {
  for (const unsigned threads : {1U, 3U}) {
    const os::Descriptor file = memfd(kChunk);  // the second chunk of the mapping is past the end of the file
    const AddressRange range = mapped(2 * kChunk, MAP_SHARED, file.number());
    CHECK_EQUAL(failureOf(all(range, threads), never), EFAULT);
  }
}

TEST("a shortage of hugepages is an error, never a signal") {
  test::inChild([] {
    const std::size_t page = test::hugepageSize();
    const test::ScratchHugetlbfs mount(2);
    const os::Descriptor file(::open(mount.path("short").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file.valid() || ::ftruncate(file.number(), static_cast<off_t>(4 * page)) != 0) os::throwErrno("open");
    // The mapping has no reservation, as if other processes emptied the hugepage pool meanwhile.
    const AddressRange range = mapped(4 * page, MAP_SHARED | MAP_NORESERVE, file.number());
    Populate request = all(range, 1);
    request.page = {PageKind::Hugetlb, page};
    CHECK(failureOf(request, never) != 0);
    CHECK_EQUAL(touchThroughKernel(range.begin(), range.size(), page, Touch::Write), EFAULT);
    CHECK_EQUAL(touchThroughKernel(range.begin(), range.size(), page, Touch::Read), EFAULT);
    CHECK_EQUAL(touchThroughKernel(range.begin(), 2 * page, page, Touch::Read), 0);
  });
}

TEST("without MADV_POPULATE_WRITE the kernel's own writes bring every page in, as zeros") {
  const AddressRange range = anonymous(1000 * basePageSize());
  CHECK_EQUAL(touchThroughKernel(range.begin(), range.size(), basePageSize(), Touch::Write), 0);
  CHECK_EQUAL(presentPages(range), 1000U);
  for (std::size_t offset = 0; offset < range.size(); ++offset) CHECK(range.begin()[offset] == std::byte{0});
}

TEST("without MADV_POPULATE_WRITE somebody else's bytes are only read") {
  const os::Descriptor file = memfd(1000 * basePageSize());
  const AddressRange theirs = mapped(1000 * basePageSize(), MAP_SHARED, file.number());
  for (std::size_t offset = 0; offset < theirs.size(); offset += basePageSize()) theirs.begin()[offset] = std::byte{7};
  const AddressRange range = mapped(theirs.size(), MAP_SHARED, file.number());
  CHECK_EQUAL(touchThroughKernel(range.begin(), range.size(), basePageSize(), Touch::Read), 0);
  CHECK_EQUAL(presentPages(range), 1000U);
  for (std::size_t offset = 0; offset < range.size(); offset += basePageSize()) {
    CHECK(range.begin()[offset] == std::byte{7});
  }
}

TEST("without MADV_POPULATE_WRITE what cannot be had is EFAULT, after what can be had") {
  const os::Descriptor file = memfd(3 * basePageSize());
  for (const Touch touch : {Touch::Write, Touch::Read}) {
    const AddressRange range = mapped(5 * basePageSize(), MAP_SHARED, file.number());
    CHECK_EQUAL(touchThroughKernel(range.begin(), range.size(), basePageSize(), touch), EFAULT);
    CHECK_EQUAL(presentPages(range), 3U);
  }
}

TEST("without MADV_POPULATE_WRITE signals that come meanwhile do no harm") {
  test::inChild([] {
    struct sigaction action = {};
    action.sa_handler = [](int) {};  // without SA_RESTART
    if (::sigaction(SIGALRM, &action, nullptr) != 0) os::throwErrno("sigaction");
    const itimerval often = {.it_interval = {0, 50}, .it_value = {0, 50}};
    if (::setitimer(ITIMER_REAL, &often, nullptr) != 0) os::throwErrno("setitimer");
    for (const Touch touch : {Touch::Write, Touch::Read}) {
      const os::Descriptor file = memfd(kChunk);
      const AddressRange range = mapped(kChunk, MAP_SHARED, file.number());
      CHECK_EQUAL(touchThroughKernel(range.begin(), range.size(), basePageSize(), touch), 0);
      CHECK_EQUAL(presentPages(range), range.size() / basePageSize());
    }
  });
}

TEST("without a descriptor to be had it says so") {
  test::inChild([] {
    const AddressRange range = anonymous(basePageSize());
    std::vector<os::Descriptor> taken;
    for (;;) {
      taken.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      if (!taken.back().valid()) break;
    }
    CHECK_EQUAL(touchThroughKernel(range.begin(), range.size(), basePageSize(), Touch::Write), EMFILE);
    CHECK_EQUAL(touchThroughKernel(range.begin(), range.size(), basePageSize(), Touch::Read), EMFILE);
  });
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
