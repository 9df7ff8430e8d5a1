// A placement is the NUMA policy of a mapping. It is set before the first page is present.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "os/system_calls.h"

namespace pinfold::memory {

enum class PlacementKind : std::uint8_t {  // src/native.ts, policyKind
  None = 0,
  Bind = 1,
  Prefer = 2,
  Interleave = 3,
  Local = 4,
  PreferMany = 5,
  BindLocal = 6,
};

struct Placement {
  PlacementKind kind = PlacementKind::None;
  std::vector<std::uint32_t> nodes;
};

// For `Local` and `BindLocal`, replaces the nodes by the calling thread's own node, since the threads that populate may
// run on other nodes.
Placement resolved(Placement placement);

// Calls mbind(2) on a mapping. On a kernel without MPOL_PREFERRED_MANY (before 5.15), only the first node is preferred.
// Throws SystemError("mbind").
void place(void* address, std::size_t length, const Placement& placement);

// Sets the policy for new pages of this thread, in memory without a placement. The destructor restores the previous
// policy.
class ThreadPlacement {
 public:
  ThreadPlacement() noexcept : before_(os::threadPolicy()) {}
  ~ThreadPlacement() { (void)os::setThreadPolicy(before_); }
  ThreadPlacement(const ThreadPlacement&) = delete;
  ThreadPlacement& operator=(const ThreadPlacement&) = delete;

  // If `node` has no free page, other nodes give one. Best effort: if the kernel refuses, nothing changes.
  void prefer(std::uint32_t node) noexcept;

  // Throws SystemError("set_mempolicy").
  void bind(std::uint32_t node);

 private:
  os::ThreadPolicy before_;
};

}  // namespace pinfold::memory
