#include "memory/address_room.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>

#include "os/system_error.h"
#include "test/tap.h"

namespace pinfold::memory {
namespace {

constexpr std::size_t kGiB = std::size_t{1} << 30U;
// Far more than a sanitizer maps for itself (ThreadSanitizer: about 100 TiB).
constexpr std::size_t kLimit = kGiB << 20U;

// A limit of this process, until the end of the test.
class Limit {
 public:
  Limit(decltype(RLIMIT_AS) resource, rlim_t most) : resource_(resource) {
    (void)::getrlimit(resource_, &before_);
    rlimit limit = before_;
    limit.rlim_cur = most;
    if (::setrlimit(resource_, &limit) != 0) SKIP("this limit cannot be changed");
  }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;
  ~Limit() { (void)::setrlimit(resource_, &before_); }

 private:
  decltype(RLIMIT_AS) resource_;
  rlimit before_ = {};
};

bool hasRoom(std::size_t size, bool isPrivate) {
  try {
    requireAddressRoom(size, isPrivate);
    return true;
  } catch (const os::SystemError& error) {
    CHECK_EQUAL(error.error(), ENOMEM);
    return false;
  }
}

TEST("without a limit there is room for everything") {
  CHECK(hasRoom(kLimit, false));
  CHECK(hasRoom(kLimit, true));
}

TEST("the last eighth of the address space is left to the program") {
  const Limit limit(RLIMIT_AS, kLimit);
  CHECK(hasRoom(kLimit / 2, false));
  CHECK(!hasRoom(kLimit - kLimit / 8, false));
  CHECK(!hasRoom(2 * kLimit, false));
}

TEST("the last eighth of private memory is left to the program, and shared memory does not count") {
  const Limit limit(RLIMIT_DATA, kLimit);
  CHECK(hasRoom(kLimit / 2, true));
  CHECK(!hasRoom(kLimit - kLimit / 8, true));
  CHECK(hasRoom(kLimit, false));
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
