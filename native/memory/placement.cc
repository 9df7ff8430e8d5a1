#include "memory/placement.h"

#include <algorithm>
#include <cerrno>

#include "os/system_calls.h"
#include "os/system_error.h"

namespace pinfold::memory {
namespace {

constexpr std::size_t kBitsPerWord = sizeof(unsigned long) * 8;

std::vector<unsigned long> maskOf(const std::vector<std::uint32_t>& nodes) {
  const std::uint32_t highest = nodes.empty() ? 0 : *std::ranges::max_element(nodes);
  std::vector<unsigned long> mask(highest / kBitsPerWord + 1);
  for (const std::uint32_t node : nodes) mask[node / kBitsPerWord] |= 1UL << (node % kBitsPerWord);
  return mask;
}

os::ThreadPolicy threadPolicyOf(os::Policy policy, std::uint32_t node) noexcept {
  os::ThreadPolicy told{.mode = static_cast<int>(policy)};
  if (node < told.nodeMask.size() * kBitsPerWord) told.nodeMask[node / kBitsPerWord] = 1UL << (node % kBitsPerWord);
  return told;
}

os::Policy policyOf(PlacementKind kind) {
  switch (kind) {
    case PlacementKind::Bind:
    case PlacementKind::BindLocal:
      return os::Policy::Bind;
    case PlacementKind::Interleave:
      return os::Policy::Interleave;
    case PlacementKind::PreferMany:
      return os::Policy::PreferredMany;
    case PlacementKind::Prefer:
    case PlacementKind::Local:
      return os::Policy::Preferred;
    case PlacementKind::None:
      break;
  }
  return os::Policy::Default;
}

}  // namespace

Placement resolved(Placement placement) {
  const bool local = placement.kind == PlacementKind::Local || placement.kind == PlacementKind::BindLocal;
  if (local) placement.nodes = {os::currentNode()};
  return placement;
}

void place(void* address, std::size_t length, const Placement& placement) {
  if (placement.kind == PlacementKind::None) return;
  const std::vector<unsigned long> mask = maskOf(placement.nodes);
  int error = os::mbind(address, length, policyOf(placement.kind), mask);
  if (error == EINVAL && placement.kind == PlacementKind::PreferMany && !placement.nodes.empty()) {
    const std::vector<unsigned long> first = maskOf({placement.nodes.front()});
    error = os::mbind(address, length, os::Policy::Preferred, first);
  }
  if (error != 0) throw os::SystemError("mbind", error);
}

void ThreadPlacement::prefer(std::uint32_t node) noexcept {
  (void)os::setThreadPolicy(threadPolicyOf(os::Policy::Preferred, node));
}

void ThreadPlacement::bind(std::uint32_t node) {
  const int error = os::setThreadPolicy(threadPolicyOf(os::Policy::Bind, node));
  if (error != 0) throw os::SystemError("set_mempolicy", error, {{"node", static_cast<double>(node)}});
}

}  // namespace pinfold::memory
