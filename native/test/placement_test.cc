#include "memory/placement.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "memory/address_range.h"
#include "memory/page_size.h"
#include "os/kernel_features.h"
#include "os/system_calls.h"
#include "os/system_error.h"
#include "test/kernel_view.h"
#include "test/mapping_request.h"
#include "test/tap.h"

namespace pinfold::memory {
namespace {

constexpr std::size_t kPages = 4;

AddressRange somePages() {
  const std::size_t size = kPages * basePageSize();
  void* const begin = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (begin == MAP_FAILED) os::throwErrno("mmap");
  return {static_cast<std::byte*>(begin), size};
}

// The answer of get_mempolicy(2).
struct Told {
  int policy = -1;
  unsigned long nodes = 0;  // the first 64
};

Told policyOf(const void* address) {
  constexpr unsigned long kOfAddress = 2;  // MPOL_F_ADDR
  std::array<unsigned long, 16> mask{};
  Told told;
  const unsigned long bits = mask.size() * sizeof(unsigned long) * 8;
  if (::syscall(SYS_get_mempolicy, &told.policy, mask.data(), bits, address, kOfAddress) != 0) {
    os::throwErrno("get_mempolicy");
  }
  told.nodes = mask.front();
  return told;
}

int refusal(const Placement& placement) {
  const AddressRange range = somePages();
  try {
    place(range.begin(), range.size(), placement);
  } catch (const os::SystemError& error) {
    CHECK_EQUAL(error.call(), "mbind");
    return error.error();
  }
  return 0;
}

void requireNuma() {
  if (!os::probeKernelFeatures().numaPolicy) SKIP("this kernel has no NUMA policies (CONFIG_NUMA)");
}

TEST("each kind of placement becomes the kernel's policy for the range") {
  requireNuma();
  const struct {
    PlacementKind kind;
    os::Policy policy;
  } kinds[] = {{PlacementKind::Bind, os::Policy::Bind},
               {PlacementKind::Prefer, os::Policy::Preferred},
               {PlacementKind::Interleave, os::Policy::Interleave}};
  for (const auto& [kind, policy] : kinds) {
    const AddressRange range = somePages();
    place(range.begin(), range.size(), {kind, {0}});
    CHECK_EQUAL(policyOf(range.begin()).policy, static_cast<int>(policy));
    CHECK_EQUAL(policyOf(range.begin()).nodes, 1UL);
  }
}

TEST("no placement leaves the range to the kernel") {
  requireNuma();
  const AddressRange range = somePages();
  place(range.begin(), range.size(), {});
  CHECK_EQUAL(policyOf(range.begin()).policy, static_cast<int>(os::Policy::Default));
}

TEST("several preferred nodes are all told, or the first where the kernel knows but one") {
  requireNuma();
  const AddressRange range = somePages();
  place(range.begin(), range.size(), {PlacementKind::PreferMany, {0}});
  const os::Policy expected =
      os::probeKernelFeatures().preferredMany ? os::Policy::PreferredMany : os::Policy::Preferred;
  CHECK_EQUAL(policyOf(range.begin()).policy, static_cast<int>(expected));
  CHECK_EQUAL(policyOf(range.begin()).nodes, 1UL);
}

TEST("local placements name the calling thread's node, so that any thread may populate") {
  for (const PlacementKind kind : {PlacementKind::Local, PlacementKind::BindLocal}) {
    const Placement local = resolved({kind, {}});
    CHECK_EQUAL(local.nodes.size(), 1U);
    CHECK(local.kind == kind);
  }
  requireNuma();
  const AddressRange range = somePages();
  place(range.begin(), range.size(), resolved({PlacementKind::BindLocal, {}}));
  CHECK_EQUAL(policyOf(range.begin()).policy, static_cast<int>(os::Policy::Bind));
}

TEST("other placements are resolved as they are") {
  const Placement interleaved = resolved({PlacementKind::Interleave, {0, 3}});
  CHECK_EQUAL(interleaved.nodes.size(), 2U);
  CHECK_EQUAL(interleaved.nodes.back(), 3U);
}

TEST("nodes that the machine has not got are refused, also in the mask's last words") {
  requireNuma();
  CHECK_EQUAL(refusal({PlacementKind::Bind, {1023}}), EINVAL);
  CHECK_EQUAL(refusal({PlacementKind::Bind, {63, 64, 65}}), EINVAL);
  CHECK_EQUAL(refusal({PlacementKind::Interleave, {1022}}), EINVAL);
  CHECK_EQUAL(refusal({PlacementKind::PreferMany, {1023, 1022}}), EINVAL);
}

TEST("bound to no node at all is refused") {
  requireNuma();
  CHECK_EQUAL(refusal({PlacementKind::Bind, {}}), EINVAL);
}

TEST("a thread's placement ends with it") {
  requireNuma();
  const int before = os::threadPolicy().mode;
  {
    ThreadPlacement placement;
    placement.prefer(0);
    CHECK_EQUAL(os::threadPolicy().mode, static_cast<int>(os::Policy::Preferred));
    CHECK_EQUAL(os::threadPolicy().nodeMask.front(), 1UL);
  }
  CHECK_EQUAL(os::threadPolicy().mode, before);
}

TEST("interleaved transparent pages are placed one by one, and their mapping and thread have the right policy after") {
  requireNuma();
  MappingRequest request = test::transparentRequest(3 * test::hugepageSize());
  request.placement = {PlacementKind::Interleave, {0}};
  const int before = os::threadPolicy().mode;
  const Mapping mapping = test::made(request);
  CHECK_EQUAL(policyOf(mapping.begin()).policy, static_cast<int>(os::Policy::Interleave));
  CHECK_EQUAL(os::threadPolicy().mode, before);
}

TEST("bound pages are on the node that was asked for") {
  requireNuma();
  const AddressRange range = somePages();
  place(range.begin(), range.size(), {PlacementKind::Bind, {0}});
  *range.begin() = std::byte{1};
  const std::array<void*, 2> pages = {range.begin(), range.begin() + basePageSize()};
  std::array<int, 2> nodes{};
  CHECK_EQUAL(os::queryPageNodes(pages, nodes), 0);
  CHECK_EQUAL(nodes[0], 0);
  CHECK(nodes[1] < 0);  // never touched: -ENOENT, or -EFAULT on older kernels
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
