#include "os/abstract_socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "os/system_error.h"
#include "test/tap.h"

namespace pinfold::os {
namespace {

std::string freshName() { return "pinfold-test-" + std::to_string(::getpid()); }

int errnoOfConnect(const std::string& name) {
  try {
    (void)connectAbstract(name);
    return 0;
  } catch (const SystemError& error) {
    return error.error();
  }
}

TEST("a connection reaches the listener of its name, and both know the user of the other") {
  const Descriptor listener = listenAbstract(freshName());
  const Descriptor near = connectAbstract(freshName());
  const Descriptor far(::accept(listener.number(), nullptr, nullptr));
  CHECK(far.valid());
  CHECK(isSameUser(near.number()));
  CHECK(isSameUser(far.number()));
  CHECK_EQUAL(::send(near.number(), "x", 1, 0), 1);
  char byte = 0;
  CHECK_EQUAL(::recv(far.number(), &byte, 1, 0), 1);
  CHECK_EQUAL(byte, 'x');
}

TEST("a name ends with its listener, and can be used again at once") {
  {
    const Descriptor listener = listenAbstract(freshName());
    CHECK_EQUAL(errnoOfConnect(freshName()), 0);
  }
  CHECK_EQUAL(errnoOfConnect(freshName()), ECONNREFUSED);
  const Descriptor again = listenAbstract(freshName());
  CHECK(again.valid());
}

TEST("a name in use, an empty name and a long name are refused") {
  const Descriptor listener = listenAbstract(freshName());
  int refused = 0;
  for (const std::string& name : {freshName(), std::string(), std::string(101, 'x')}) {
    try {
      (void)listenAbstract(name);
    } catch (const SystemError&) {
      ++refused;
    }
  }
  CHECK_EQUAL(refused, 3);
  CHECK_EQUAL(errnoOfConnect(std::string(101, 'x')), EINVAL);
}

}  // namespace
}  // namespace pinfold::os

TAP_MAIN()
