// Unix-domain stream sockets with abstract names (unix(7)). Such a name is no file: it ends with its socket, also when
// the process is killed. It has no permissions either, so both sides check whose socket the other one is.
#pragma once

#include <string>

#include "os/descriptor.h"

namespace pinfold::os {

// Listens by a name, which must not be in use. The name has up to 100 bytes, without the zero byte in front.
Descriptor listenAbstract(const std::string& name);

// Connects to a name without waiting. Fails with ECONNREFUSED when nobody listens, with EAGAIN when too many
// connections wait there, and with EPERM when the socket belongs to another user.
Descriptor connectAbstract(const std::string& name);

// Whether the process at the other end of a connection had our effective user when it connected or began to listen
// (SO_PEERCRED).
bool isSameUser(int socket);

}  // namespace pinfold::os
