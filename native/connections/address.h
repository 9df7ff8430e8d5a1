// IPv4 and IPv6 addresses, as text and as the library takes them.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace pinfold::connections {

struct Endpoint {
  std::string address;  // '' for none; a link-local address has its zone: 'fe80::1%eth0'
  std::uint16_t port = 0;
};

// Throws SystemError("getaddrinfo", EINVAL) for a text that is no address.
sockaddr_storage socketAddress(const Endpoint& endpoint);
Endpoint endpointOf(const sockaddr& address);

}  // namespace pinfold::connections
