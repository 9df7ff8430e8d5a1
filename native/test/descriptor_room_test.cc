#include "memory/descriptor_room.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "memory/mapping.h"
#include "os/descriptor.h"
#include "os/system_error.h"
#include "test/child.h"
#include "test/hugepages.h"
#include "test/kernel_view.h"
#include "test/mapping_request.h"
#include "test/tap.h"

namespace pinfold::memory {
namespace {

constexpr int kLimit = 80;
constexpr int kReserve = 10;

void limitDescriptors() {
  const rlimit limit = {.rlim_cur = kLimit, .rlim_max = kLimit};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) os::throwErrno("setrlimit");
}

// Opens files until `number` is the lowest free descriptor.
std::vector<os::Descriptor> takenUpTo(int number) {
  std::vector<os::Descriptor> taken;
  do taken.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  while (taken.back().number() < number - 1);
  return taken;
}

os::SystemError failureOf(const MappingRequest& request) {
  const std::atomic<bool> never = false;
  try {
    const Mapping mapping(request, never);
  } catch (const os::SystemError& error) {
    return error;
  }
  throw tap::Failure("the mapping was made");
}

TEST("a descriptor of the last eighth is refused, with all three numbers") {
  test::inChild([] {
    limitDescriptors();
    requireDescriptorRoom(kLimit - kReserve - 1);
    try {
      requireDescriptorRoom(kLimit - kReserve);
    } catch (const os::SystemError& error) {
      CHECK_EQUAL(error.error(), EMFILE);
      CHECK(error.values() == (os::SystemError::Values{{"open", 70}, {"limit", 80}, {"reserve", 10}}));
      return;
    }
    CHECK(false);
  });
}

TEST("a region of hugetlb pages leaves the reserve, and takes nothing when it is refused") {
  test::inChild([] {
    limitDescriptors();
    const std::vector<os::Descriptor> taken = takenUpTo(kLimit - kReserve);
    const std::size_t before = test::openDescriptors();
    CHECK_EQUAL(failureOf(test::hugetlbRequest(1)).call(), "getrlimit");
    CHECK_EQUAL(test::openDescriptors(), before);
    CHECK_EQUAL(takenUpTo(kLimit).size(), static_cast<std::size_t>(kReserve));
  });
}

TEST("regions of base and transparent pages need one descriptor for a moment, and may use the reserve") {
  test::inChild([] {
    limitDescriptors();
    const std::vector<os::Descriptor> taken = takenUpTo(kLimit - 4);  // the sanitizers take some for a moment, too
    const std::size_t before = test::openDescriptors();
    std::vector<Mapping> many;
    many.reserve(501);
    for (int i = 0; i < 500; ++i) many.push_back(test::made(test::requestOf(basePageSize())));
    many.push_back(test::made(test::transparentRequest()));
    CHECK_EQUAL(test::openDescriptors(), before);
  });
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
