#include "memory/address_room.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "memory/page_size.h"
#include "os/descriptor.h"
#include "os/system_error.h"

namespace pinfold::memory {
namespace {

// Fields of /proc/self/statm, in pages (proc_pid_statm(5)).
enum Field { kSize = 0, kData = 5 };

// RLIM_INFINITY if there is no limit.
rlim_t limitOf(decltype(RLIMIT_AS) resource) {
  rlimit limit = {};
  if (::getrlimit(resource, &limit) != 0) os::throwErrno("getrlimit");
  return limit.rlim_cur;
}

std::size_t used(Field field) {
  const os::Descriptor file(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  if (!file.valid() && (errno == EMFILE || errno == ENFILE)) os::throwErrno("open");
  std::array<char, 256> text{};
  if (::read(file.number(), text.data(), text.size() - 1) <= 0) return 0;  // no /proc: the kernel's answer must do
  char* at = text.data();
  std::size_t pages = 0;
  for (int i = 0; i <= field; ++i) pages = std::strtoul(at, &at, 10);
  return pages * basePageSize();
}

void require(std::size_t size, decltype(RLIMIT_AS) resource, Field field) {
  const rlim_t limit = limitOf(resource);
  if (limit == RLIM_INFINITY) return;
  const std::size_t most = limit - limit / 8;
  const std::size_t has = used(field);
  if (has > most || size > most - has) throw os::SystemError("mmap", ENOMEM, {{"size", static_cast<double>(size)}});
}

}  // namespace

void requireAddressRoom(std::size_t size, bool isPrivate) {
  require(size, RLIMIT_AS, kSize);
  if (isPrivate) require(size, RLIMIT_DATA, kData);
}

}  // namespace pinfold::memory
