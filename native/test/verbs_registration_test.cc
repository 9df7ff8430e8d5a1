#include "verbs/registration.h"

#include <cerrno>
#include <memory>
#include <optional>

#include "test/mapping_request.h"
#include "test/tap.h"
#include "verbs/fault_injection.h"
#include "verbs/no_op_device.h"

namespace pinfold::verbs {
namespace {

struct Bench {
  std::unique_ptr<Context> open() {
    return std::make_unique<Context>(withFaults(device.functions(), faults), "noop0", events, 1);
  }

  NoOpDevice device;
  std::shared_ptr<Faults> faults = std::make_shared<Faults>();
  EventThread events{[] {}};
};

std::size_t keptRanges() { return memory::RegionTable::process().counts().closed; }

// Covers a region, drops the covering registrations, and closes the region. Returns the address of the region.
const std::byte* coveredAndClosed(Context& context, Handle implicit) {
  std::optional<memory::RegionUser> user =
      memory::RegionTable::process().add(test::made(test::requestOf()), test::requestOf(), "");
  const std::byte* const begin = user->entry().begin;
  const std::uint64_t region = user->entry().id;
  for (int round = 0; round < 2; ++round) {
    const Handle covered = Registration::cover(context, implicit, regionRange("test", region, 0, 8));
    context.objects().destroy<Registration>("test", covered);
  }
  user.reset();
  return begin;
}

TEST("what an implicit registration has reached is memory of nobody's until that has gone") {
  Bench bench;
  auto context = bench.open();
  const std::size_t before = keptRanges();
  const Handle implicit = Registration::ofAll(*context, ProtectionDomain::allocate(*context),
                                              IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND);
  const std::byte* const begin = coveredAndClosed(*context, implicit);
  CHECK_EQUAL(keptRanges(), before + 1);
  CHECK_EQUAL(static_cast<int>(*begin), 0);  // still mapped
  context->objects().destroy<Registration>("test", implicit);
  CHECK_EQUAL(keptRanges(), before);
}

TEST("and for ever, when it cannot be deregistered as its thread ends") {
  Bench bench;
  const std::size_t before = keptRanges();
  const std::byte* begin = nullptr;
  {
    auto context = bench.open();
    const Handle domain = ProtectionDomain::allocate(*context);
    begin = coveredAndClosed(*context, Registration::ofAll(*context, domain, IBV_ACCESS_ON_DEMAND));
    bench.faults->remove();
  }
  CHECK_EQUAL(keptRanges(), before + 1);
  CHECK_EQUAL(static_cast<int>(*begin), 0);
}

TEST("the whole address space is not registered for peers") {
  Bench bench;
  auto context = bench.open();
  const Handle domain = ProtectionDomain::allocate(*context);
  for (const unsigned right : {IBV_ACCESS_REMOTE_WRITE, IBV_ACCESS_REMOTE_READ, IBV_ACCESS_REMOTE_ATOMIC}) {
    int error = 0;
    try {
      (void)Registration::ofAll(*context, domain, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND | right);
    } catch (const os::SystemError& refusal) {
      error = refusal.error();
    }
    CHECK_EQUAL(error, EINVAL);
  }
  CHECK_EQUAL(bench.faults->calls()["ibv_reg_mr"], 0U);
}

}  // namespace
}  // namespace pinfold::verbs

TAP_MAIN()
