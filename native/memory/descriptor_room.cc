#include "memory/descriptor_room.h"

#include <sys/resource.h>

#include <cerrno>

#include "os/system_error.h"

namespace pinfold::memory {

void requireDescriptorRoom(int descriptor) {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) os::throwErrno("getrlimit");
  const rlim_t reserve = limit.rlim_cur / 8;
  const auto open = static_cast<rlim_t>(descriptor);
  if (open < limit.rlim_cur - reserve) return;
  throw os::SystemError("getrlimit", EMFILE,
                        {{"open", static_cast<double>(open)},
                         {"limit", static_cast<double>(limit.rlim_cur)},
                         {"reserve", static_cast<double>(reserve)}});
}

}  // namespace pinfold::memory
