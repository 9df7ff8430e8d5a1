#include "os/abstract_socket.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "os/system_error.h"

namespace pinfold::os {
namespace {

constexpr std::size_t kLongestName = 100;
constexpr int kBacklog = 511;

struct Address {
  sockaddr_un where{};
  socklen_t length = 0;
};

Address addressOf(const std::string& name) {
  if (name.empty() || name.size() > kLongestName) throw SystemError("bind", EINVAL);
  Address address;
  address.where.sun_family = AF_UNIX;
  // The zero byte in front makes the name an abstract one. The length says where the name ends.
  std::copy(name.begin(), name.end(), &address.where.sun_path[1]);
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

const sockaddr* generic(const Address& address) { return reinterpret_cast<const sockaddr*>(&address.where); }

Descriptor openSocket() {
  Descriptor made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made.valid()) throwErrno("socket");
  return made;
}

}  // namespace

Descriptor listenAbstract(const std::string& name) {
  const Address address = addressOf(name);
  Descriptor socket = openSocket();
  if (::bind(socket.number(), generic(address), address.length) != 0) throwErrno("bind");
  if (::listen(socket.number(), kBacklog) != 0) throwErrno("listen");
  return socket;
}

Descriptor connectAbstract(const std::string& name) {
  const Address address = addressOf(name);
  Descriptor socket = openSocket();
  if (::connect(socket.number(), generic(address), address.length) != 0) throwErrno("connect");
  if (!isSameUser(socket.number())) throw SystemError("connect", EPERM);
  return socket;
}

bool isSameUser(int socket) {
  ucred peer{};
  socklen_t length = sizeof(peer);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) throwErrno("getsockopt");
  return peer.uid == ::geteuid();
}

}  // namespace pinfold::os
