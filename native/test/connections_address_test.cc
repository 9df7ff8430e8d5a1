#include "connections/address.h"

#include <netinet/in.h>

#include <cerrno>
#include <string>

#include "os/system_error.h"
#include "test/tap.h"

namespace pinfold::connections {
namespace {

Endpoint thereAndBack(const Endpoint& endpoint) {
  const sockaddr_storage address = socketAddress(endpoint);
  return endpointOf(reinterpret_cast<const sockaddr&>(address));
}

bool isRefused(const Endpoint& endpoint) {
  try {
    (void)socketAddress(endpoint);
    return false;
  } catch (const os::SystemError& error) {
    return error.error() == EINVAL;
  }
}

TEST("addresses survive the way to the library and back") {
  for (const char* const address : {"10.77.0.1", "0.0.0.0", "::1", "::", "fe80::1%lo"}) {
    const Endpoint found = thereAndBack({address, 7471});
    CHECK_EQUAL(found.address, std::string(address));
    CHECK_EQUAL(found.port, 7471);
  }
}

TEST("a text that is no address is refused") {
  for (const char* const address : {"", "localhost", "10.77.0.256", "::g", "fe80::1%nosuchinterface"}) {
    CHECK(isRefused({address, 1}));
  }
}

TEST("an address of another family is none") {
  sockaddr other{};
  other.sa_family = AF_UNIX;
  CHECK_EQUAL(endpointOf(other).address, std::string());
}

}  // namespace
}  // namespace pinfold::connections

TAP_MAIN()
