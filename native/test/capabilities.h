// Drops one capability of this process. For use in a child (child.h).
#pragma once

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "os/system_error.h"

namespace pinfold::test {

// Calls capset(2) directly, since pinfold does not depend on libcap. Succeeds if the process did not have the
// capability.
inline void dropCapability(int capability) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) os::throwErrno("capget");
  auto& set = sets.at(static_cast<unsigned>(capability) / 32);
  const unsigned others = ~(1U << (static_cast<unsigned>(capability) % 32));
  set.effective &= others;
  set.permitted &= others;
  if (::syscall(SYS_capset, &header, sets.data()) != 0) os::throwErrno("capset");
}

}  // namespace pinfold::test
