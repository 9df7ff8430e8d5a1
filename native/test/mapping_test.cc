#include "memory/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "os/descriptor.h"
#include "os/kernel_features.h"
#include "test/child.h"
#include "test/hugepages.h"
#include "test/kernel_view.h"
#include "test/mapping_request.h"
#include "test/scratch_hugetlbfs.h"
#include "test/tap.h"
#include "translate/pagemap.h"

namespace pinfold::memory {
namespace {

// The kernel mapping of the whole region.
test::View viewOf(const Mapping& mapping) {
  const auto view = test::viewOf(mapping.begin());
  if (!view) throw tap::Failure("nothing is mapped there");
  CHECK_EQUAL(view->begin, test::numberOf(mapping.begin()));
  CHECK_EQUAL(view->size(), mapping.size());
  return *view;
}

bool allPresent(const Mapping& mapping) {
  std::vector<std::uint64_t> entries(mapping.size() / basePageSize());
  // Pagemap::self() is not used: in a forked child, it is the pagemap of the parent.
  translate::Pagemap(0).entries(test::numberOf(mapping.begin()), entries);
  return std::ranges::all_of(entries, [](std::uint64_t entry) { return entry >> 63U == 1; });
}

bool allZero(const std::byte* begin, std::size_t size) {
  return std::all_of(begin, begin + size, [](std::byte byte) { return byte == std::byte{0}; });
}

TEST("base pages are all present, zero and writable, in a memfd and in private memory") {
  for (const Backing backing : {Backing::Memfd, Backing::Anonymous}) {
    MappingRequest request = test::requestOf();
    request.backing = backing;
    const Mapping mapping = test::made(request);
    CHECK_EQUAL(mapping.size(), request.size);
    CHECK(allPresent(mapping));
    CHECK(allZero(mapping.begin(), mapping.size()));
    std::fill_n(mapping.begin(), mapping.size(), std::byte{9});
    const test::View view = viewOf(mapping);
    CHECK_EQUAL(view.permissions, backing == Backing::Memfd ? "rw-s" : "rw-p");
    CHECK_EQUAL(view.bytes("Rss"), mapping.size());
    CHECK_EQUAL(view.bytes("KernelPageSize"), basePageSize());
  }
}

TEST("hugetlb pages are all present, zero and writable, in a memfd and in private memory") {
  test::requireHugepages(2);
  for (const Backing backing : {Backing::Memfd, Backing::Anonymous}) {
    MappingRequest request = test::hugetlbRequest(2);
    request.backing = backing;
    const std::size_t before = test::ownHugepages();
    const Mapping mapping = test::made(request);
    CHECK(allPresent(mapping));
    CHECK(allZero(mapping.begin(), mapping.size()));
    std::fill_n(mapping.begin(), mapping.size(), std::byte{9});
    const test::View view = viewOf(mapping);
    CHECK(view.has("ht"));
    CHECK_EQUAL(view.bytes("KernelPageSize"), test::hugepageSize());
    CHECK_EQUAL(test::ownHugepages() - before, mapping.size());
  }
}

TEST("transparent regions lie on a huge page's boundary and are all present, whatever their size") {
  const std::size_t huge = test::hugepageSize();
  for (const Backing backing : {Backing::Memfd, Backing::Anonymous}) {
    for (const std::size_t size : {huge, 3 * huge, basePageSize(), huge + basePageSize()}) {
      MappingRequest request = test::transparentRequest(size);
      request.backing = backing;
      const Mapping mapping = test::made(request);
      CHECK_EQUAL(test::numberOf(mapping.begin()) % huge, 0U);
      CHECK(allPresent(mapping));
      CHECK_EQUAL(viewOf(mapping).bytes("Rss"), size);
    }
  }
}

TEST("where the kernel collapses, a transparent region is on huge pages, also in a memfd") {
  if (!os::probeKernelFeatures().collapse) SKIP("this kernel has no MADV_COLLAPSE");
  for (const Backing backing : {Backing::Memfd, Backing::Anonymous}) {
    MappingRequest request = test::transparentRequest(4 * test::hugepageSize());
    request.backing = backing;
    // The kernel may refuse if memory is fragmented. Then base pages are the right result. One of a few tries succeeds.
    std::size_t huge = 0;
    for (int i = 0; i < 5 && huge == 0; ++i) {
      const test::View view = viewOf(test::made(request));
      huge = view.bytes("AnonHugePages") + view.bytes("ShmemPmdMapped");
    }
    if (huge == 0) SKIP("the kernel gave no huge page: memory is fragmented, or THP is switched off");
  }
}

TEST("a region has a name that a human finds in /proc/self/maps") {
  MappingRequest request = test::requestOf();
  request.name = "rx-ring";
  CHECK_EQUAL(viewOf(test::made(request)).name, "/memfd:pinfold:rx-ring (deleted)");
}

TEST("so has private memory, where the kernel names it") {
  MappingRequest request = test::requestOf();
  request.name = "rx-ring";
  request.backing = Backing::Anonymous;
  if (!os::probeKernelFeatures().anonymousName) SKIP("this kernel names no anonymous memory (CONFIG_ANON_VMA_NAME)");
  CHECK_EQUAL(viewOf(test::made(request)).name, "[anon:pinfold:rx-ring]");
}

TEST("every region is kept out of forks, and its contents out of core dumps unless they are wanted there") {
  for (const Backing backing : {Backing::Memfd, Backing::Anonymous}) {
    MappingRequest request = test::requestOf();
    request.backing = backing;
    const test::View secret = viewOf(test::made(request));
    CHECK(secret.has("dc"));
    CHECK(secret.has("dd"));
    request.dump = true;
    const test::View dumped = viewOf(test::made(request));
    CHECK(dumped.has("dc"));
    CHECK(!dumped.has("dd"));
  }
}

TEST("a child that was forked has no region there") {
  const Mapping mapping = test::made(test::requestOf());
  CHECK(test::isReadable(mapping.begin()));
  test::inChild([&] { CHECK(!test::isReadable(mapping.begin())); });
}

TEST("locked pages are locked") {
  for (const Backing backing : {Backing::Memfd, Backing::Anonymous}) {
    MappingRequest request = test::requestOf();
    request.backing = backing;
    request.lock = true;
    const test::View view = viewOf(test::made(request));
    CHECK(view.has("lo"));
    CHECK_EQUAL(view.bytes("Locked"), request.size);
  }
}

TEST("guards on both sides are inaccessible, and go with the region") {
  std::vector<MappingRequest> requests = {test::requestOf(), test::transparentRequest()};
  if (test::availableHugepages(test::hugepageSize()) > 0) requests.push_back(test::hugetlbRequest(1));
  for (MappingRequest& request : requests) {
    request.guard = true;
    std::byte* begin = nullptr;
    {
      const Mapping mapping = test::made(request);
      begin = mapping.begin();
      CHECK_EQUAL(test::numberOf(begin) % request.page.bytes, 0U);
      for (std::byte* const outside : {begin - 1, begin - basePageSize(), begin + request.size}) {
        CHECK(!test::isReadable(outside));
        CHECK(!test::isWritable(outside));
        CHECK_EQUAL(test::viewOf(outside)->permissions, "---p");
      }
      CHECK(test::isWritable(begin));
      CHECK(test::isWritable(begin + request.size - 1));
    }
    for (std::byte* const address : {begin - 1, begin, begin + request.size}) CHECK(!test::isReadable(address));
  }
}

TEST("an open region keeps a descriptor for hugetlb pages alone") {
  const std::size_t before = test::openDescriptors();
  const Mapping base = test::made(test::requestOf());
  const Mapping transparent = test::made(test::transparentRequest());
  CHECK_EQUAL(test::openDescriptors(), before);
  test::requireHugepages(1);
  const Mapping hugetlb = test::made(test::hugetlbRequest(1));
  CHECK_EQUAL(test::openDescriptors(), before + 1);
}

TEST("nobody who opens the memfd can take pages from under the region") {
  std::vector<MappingRequest> requests = {test::requestOf(), test::transparentRequest()};
  if (test::availableHugepages(test::hugepageSize()) > 0) requests.push_back(test::hugetlbRequest(1));
  for (const MappingRequest& request : requests) {
    const Mapping mapping = test::made(request);
    const test::View view = viewOf(mapping);
    std::ostringstream path;
    path << "/proc/self/map_files/" << std::hex << view.begin << '-' << view.end;
    const os::Descriptor file(::open(path.str().c_str(), O_RDWR | O_CLOEXEC));
    if (!file.valid()) SKIP("needs CAP_CHECKPOINT_RESTORE, to open a mapped file");
    CHECK_EQUAL(::fcntl(file.number(), F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW), F_SEAL_SHRINK | F_SEAL_GROW);
    CHECK_EQUAL(::ftruncate(file.number(), 0), -1);
    CHECK_EQUAL(errno, EPERM);
    CHECK_EQUAL(::truncate(path.str().c_str(), 0), -1);
  }
}

TEST("a region in a hugetlbfs file has the file for as long as it lives") {
  test::inChild([] {
    const test::ScratchHugetlbfs mount(2);
    MappingRequest request = test::hugetlbRequest(2);
    request.backing = Backing::File;
    request.path = mount.path("rx");
    {
      Mapping mapping = test::made(request);
      CHECK(allPresent(mapping));
      CHECK_EQUAL(viewOf(mapping).name, mount.path("rx"));
      mapping.retire();
      CHECK_EQUAL(mount.files(), 0U);
    }
    (void)test::made(request);
    CHECK_EQUAL(mount.files(), 0U);
    request.keepFile = true;
    (void)test::made(request);
    CHECK_EQUAL(mount.files(), 1U);
  });
}

TEST("a region in somebody else's file sees their bytes") {
  test::inChild([] {
    const test::ScratchHugetlbfs mount(2);
    MappingRequest request = test::hugetlbRequest(2);
    request.backing = Backing::File;
    request.path = mount.path("shared");
    const Mapping theirs = test::made(request);
    *theirs.begin() = std::byte{42};
    {
      const Mapping ours = test::made(request);
      CHECK(*ours.begin() == std::byte{42});
      *ours.begin() = std::byte{43};
    }
    CHECK_EQUAL(mount.files(), 1U);
    CHECK(*theirs.begin() == std::byte{43});
  });
}

TEST("threads that make and drop aligned regions at once never get each other's place") {
  std::atomic<int> wrong = 0;
  {
    std::vector<std::thread> threads;
    for (unsigned thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&wrong, thread] {
        for (unsigned i = 0; i < 200; ++i) {
          MappingRequest request = test::transparentRequest((1 + i % 3) * basePageSize());
          request.backing = i % 2 == 0 ? Backing::Memfd : Backing::Anonymous;
          request.guard = i % 5 == 0;
          Mapping mapping = test::made(request);
          const auto mark = static_cast<std::byte>(thread + 1);
          std::fill_n(mapping.begin(), mapping.size(), mark);
          std::this_thread::yield();
          for (std::size_t at = 0; at < mapping.size(); ++at) wrong += mapping.begin()[at] == mark ? 0 : 1;
          if (i % 3 == 0) mapping.retire();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  CHECK_EQUAL(wrong.load(), 0);
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
