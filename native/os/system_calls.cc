#include "os/system_calls.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace pinfold::os {
namespace {

constexpr unsigned long kMlockOnfault = 1;  // include/uapi/asm-generic/mman.h

// The kernel reads maxnode - 1 bits (mm/mempolicy.c, get_nodes), so 1 is added.
unsigned long maxNode(std::span<const unsigned long> nodeMask) noexcept {
  return nodeMask.size() * sizeof(unsigned long) * 8 + 1;
}

}  // namespace

int mbind(void* address, std::size_t length, Policy policy, std::span<const unsigned long> nodeMask) noexcept {
  const unsigned long most = maxNode(nodeMask);
  const long result = ::syscall(SYS_mbind, address, length, static_cast<int>(policy), nodeMask.data(), most, 0U);
  return result == 0 ? 0 : errno;
}

ThreadPolicy threadPolicy() noexcept {
  ThreadPolicy policy;
  (void)::syscall(SYS_get_mempolicy, &policy.mode, policy.nodeMask.data(), maxNode(policy.nodeMask), nullptr, 0UL);
  return policy;
}

int setThreadPolicy(const ThreadPolicy& policy) noexcept {
  const unsigned long most = maxNode(policy.nodeMask);
  return ::syscall(SYS_set_mempolicy, policy.mode, policy.nodeMask.data(), most) == 0 ? 0 : errno;
}

int queryPageNodes(std::span<void* const> pages, std::span<int> nodes) noexcept {
  const long result = ::syscall(SYS_move_pages, 0, pages.size(), pages.data(), nullptr, nodes.data(), 0);
  return result >= 0 ? 0 : errno;
}

unsigned currentNode() noexcept {
  unsigned node = 0;
  return ::syscall(SYS_getcpu, nullptr, &node, nullptr) == 0 ? node : 0;
}

int lockOnFault(void* address, std::size_t length) noexcept {
  return ::syscall(SYS_mlock2, address, length, kMlockOnfault) == 0 ? 0 : errno;
}

void unlock(void* address, std::size_t length) noexcept { (void)::syscall(SYS_munlock, address, length); }

bool nameAnonymous(void* address, std::size_t length, const char* name) noexcept {
  return ::prctl(kPrSetVma, kPrSetVmaAnonName, reinterpret_cast<std::uintptr_t>(address), length, name) == 0;
}

}  // namespace pinfold::os
