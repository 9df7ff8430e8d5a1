// Where pages come from: a NUMA policy over a mapping, set before the first page is there.
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

// The placement as the kernel can be told from any thread: `Local` and `BindLocal` mean the calling thread's own node,
// since the threads that populate may run elsewhere.
Placement resolved(Placement placement);

// mbind(2) on a mapping. A kernel without MPOL_PREFERRED_MANY (before 5.15) is given the first node as preferred.
// Throws SystemError("mbind").
void place(void* address, std::size_t length, const Placement& placement);

// Where this thread's new pages come from, in memory without a placement, for as long as it lives; then as before.
class ThreadPlacement {
 public:
  ThreadPlacement() noexcept : before_(os::threadPolicy()) {}
  ~ThreadPlacement() { (void)os::setThreadPolicy(before_); }
  ThreadPlacement(const ThreadPlacement&) = delete;
  ThreadPlacement& operator=(const ThreadPlacement&) = delete;

  // Other nodes help out when it has none left. Best effort: what the kernel refuses changes nothing.
  void prefer(std::uint32_t node) noexcept;

  // Throws SystemError("set_mempolicy").
  void bind(std::uint32_t node);

 private:
  os::ThreadPolicy before_;
};

}  // namespace pinfold::memory
