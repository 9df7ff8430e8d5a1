#include "memory/mapping.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <vector>

#include "os/kernel_features.h"
#include "os/system_error.h"
#include "test/capabilities.h"
#include "test/child.h"
#include "test/hugepages.h"
#include "test/kernel_view.h"
#include "test/mapping_request.h"
#include "test/scratch_hugetlbfs.h"
#include "test/tap.h"

namespace pinfold::memory {
namespace {

const std::atomic<bool> never = false;

os::SystemError failureOf(const MappingRequest& request, const std::atomic<bool>& cancelled = never) {
  try {
    const Mapping mapping(request, cancelled);
  } catch (const os::SystemError& error) {
    return error;
  }
  throw tap::Failure("the mapping was made");
}

// Checks that a failing request leaves nothing behind. Returns the failure.
os::SystemError leavesNothing(MappingRequest request, const std::atomic<bool>& cancelled = never) {
  request.name = "doomed";
  const std::size_t descriptors = test::openDescriptors();
  const std::size_t hugepages = test::ownHugepages();
  const std::size_t addressSpace = test::numberIn("/proc/self/statm");
  os::SystemError error = failureOf(request, cancelled);
  CHECK_EQUAL(test::openDescriptors(), descriptors);
  CHECK_EQUAL(test::ownHugepages(), hugepages);
  CHECK_EQUAL(test::mappingsNamed("pinfold:doomed"), 0U);
  // The heap may have grown meanwhile, but by less than a region.
  CHECK(test::numberIn("/proc/self/statm") < addressSpace + request.size / basePageSize());
  CHECK_EQUAL(AddressRange::pendingCount(), 0U);
  return error;
}

TEST("a cancelled mapping leaves nothing, of any kind") {
  const std::atomic<bool> cancelled = true;
  std::vector<MappingRequest> requests = {test::requestOf(std::size_t{8} << 20U), test::transparentRequest()};
  if (test::availableHugepages(test::hugepageSize()) > 1) requests.push_back(test::hugetlbRequest(2));
  for (MappingRequest& request : requests) {
    for (const Backing backing : {Backing::Memfd, Backing::Anonymous}) {
      for (const bool guard : {false, true}) {
        request.backing = backing;
        request.guard = guard;
        CHECK_EQUAL(leavesNothing(request, cancelled).error(), ECANCELED);
      }
    }
  }
}

TEST("more hugepages than the pool has are refused, and leave nothing") {
  const std::size_t total = test::numberIn("/sys/kernel/mm/hugepages/hugepages-" +
                                           std::to_string(test::hugepageSize() >> 10U) + "kB/nr_hugepages");
  for (const Backing backing : {Backing::Memfd, Backing::Anonymous}) {
    MappingRequest request = test::hugetlbRequest(total + 1000);
    request.backing = backing;
    const os::SystemError error = leavesNothing(request);
    CHECK_EQUAL(error.call(), "mmap");
    CHECK_EQUAL(error.error(), ENOMEM);
  }
}

TEST("a hugetlb size that the machine has not got is refused, and leaves nothing") {
  MappingRequest request = test::requestOf(std::size_t{1} << 20U);
  request.page = {PageKind::Hugetlb, std::size_t{1} << 20U};
  for (const Backing backing : {Backing::Memfd, Backing::Anonymous}) {
    request.backing = backing;
    CHECK(leavesNothing(request).error() != 0);
  }
}

TEST("a shortage in a file of its own takes the file with it, also one that was to be kept") {
  test::inChild([] {
    const test::ScratchHugetlbfs mount(1);
    MappingRequest request = test::hugetlbRequest(2);
    request.backing = Backing::File;
    request.path = mount.path("short");
    for (const bool keep : {false, true}) {
      request.keepFile = keep;
      (void)leavesNothing(request);
      CHECK_EQUAL(mount.files(), 0U);
    }
    const std::atomic<bool> cancelled = true;
    request.size = test::hugepageSize();
    CHECK_EQUAL(leavesNothing(request, cancelled).error(), ECANCELED);
    CHECK_EQUAL(mount.files(), 0U);
  });
}

TEST("a lock beyond RLIMIT_MEMLOCK is refused, and leaves nothing") {
  test::inChild([] {
    test::dropCapability(CAP_IPC_LOCK);
    const rlimit limit = {.rlim_cur = 2 * basePageSize(), .rlim_max = 2 * basePageSize()};
    if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) os::throwErrno("setrlimit");
    MappingRequest request = test::requestOf(std::size_t{8} << 20U);
    request.lock = true;
    for (const Backing backing : {Backing::Memfd, Backing::Anonymous}) {
      request.backing = backing;
      const os::SystemError error = leavesNothing(request);
      CHECK_EQUAL(error.call(), "mlock2");
      CHECK_EQUAL(error.error(), ENOMEM);
    }
  });
}

TEST("a node that the machine has not got is refused, and leaves nothing") {
  if (!os::probeKernelFeatures().numaPolicy) SKIP("this kernel has no NUMA policies (CONFIG_NUMA)");
  MappingRequest request = test::requestOf(std::size_t{8} << 20U);
  request.placement = {PlacementKind::Bind, {1023}};
  const os::SystemError error = leavesNothing(request);
  CHECK_EQUAL(error.call(), "mbind");
  CHECK_EQUAL(error.error(), EINVAL);
}

TEST("sizes that no address space holds are refused") {
  for (const std::size_t size : {std::size_t{1} << 47U, std::size_t{1} << 52U, std::size_t{1} << 56U}) {
    for (const Backing backing : {Backing::Memfd, Backing::Anonymous}) {
      for (MappingRequest request : {test::requestOf(size), test::transparentRequest(size)}) {
        request.backing = backing;
        CHECK(leavesNothing(request).error() != 0);
        request.guard = true;
        CHECK(leavesNothing(request).error() != 0);
      }
    }
  }
}

TEST("out of descriptors, it is refused") {
  test::inChild([] {
    std::vector<os::Descriptor> taken;
    do taken.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    while (taken.back().valid());
    CHECK_EQUAL(failureOf(test::requestOf()).error(), EMFILE);
  });
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
