#include "connections/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "os/system_error.h"

namespace pinfold::connections {
namespace {

std::string withZone(std::string address, std::uint32_t zone) {
  std::array<char, IF_NAMESIZE> name{};
  if (zone != 0 && ::if_indextoname(zone, name.data()) != nullptr) address.append("%").append(name.data());
  return address;
}

}  // namespace

sockaddr_storage socketAddress(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(endpoint.address.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
  if (error != 0) throw os::SystemError("getaddrinfo", EINVAL, endpoint.address);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, ::freeaddrinfo);
  sockaddr_storage address{};
  std::memcpy(&address, found->ai_addr, found->ai_addrlen);
  return address;
}

Endpoint endpointOf(const sockaddr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.sa_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &address, sizeof four);
    (void)::inet_ntop(AF_INET, &four.sin_addr, text.data(), text.size());
    return {text.data(), ntohs(four.sin_port)};
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, &address, sizeof six);
    (void)::inet_ntop(AF_INET6, &six.sin6_addr, text.data(), text.size());
    return {withZone(text.data(), six.sin6_scope_id), ntohs(six.sin6_port)};
  }
  return {};
}

}  // namespace pinfold::connections
