#include "os/system_error.h"

#include <cerrno>
#include <stdexcept>
#include <string>

#include "test/tap.h"

namespace pinfold::os {
namespace {

TEST("a system error tells the call, the errno, and the values") {
  const SystemError error("mmap", ENOMEM, {{"size", 4096}});
  CHECK_EQUAL(error.call(), "mmap");
  CHECK_EQUAL(error.error(), ENOMEM);
  CHECK_EQUAL(error.values().size(), 1U);
  CHECK_EQUAL(error.values().front().first, "size");
  CHECK_EQUAL(error.values().front().second, 4096.0);
}

TEST("its message is the call and the errno in words") {
  CHECK_EQUAL(std::string(SystemError("mlock2", EPERM).what()), "mlock2: Operation not permitted");
}

TEST("an errno that no system knows has a message, too") {
  CHECK_EQUAL(std::string(SystemError("open", 4242).what()), "open: Unknown error 4242");
}

TEST("throwErrno takes the errno of the call that failed") {
  errno = ENOSPC;
  try {
    throwErrno("fallocate", {{"pages", 3}, {"free", 0}});
  } catch (const SystemError& error) {
    CHECK_EQUAL(error.call(), "fallocate");
    CHECK_EQUAL(error.error(), ENOSPC);
    CHECK_EQUAL(error.values().size(), 2U);
    return;
  }
  CHECK(false);
}

TEST("it can be caught as any error of the standard library") {
  try {
    throw SystemError("mmap", EINVAL);
  } catch (const std::runtime_error& error) {
    CHECK_EQUAL(std::string(error.what()), "mmap: Invalid argument");
  }
}

}  // namespace
}  // namespace pinfold::os

TAP_MAIN()
