// A registration (ibv_mr): memory that the device may use.
//
// A registration holds its region (a RegionUser) until the device no longer uses the memory. ibv_dereg_mr always comes
// before unmapping. If deregistering fails for good at the end of a thread, the region is kept for as long as the
// process lives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_set>

#include "memory/region_table.h"
#include "verbs/device_memory.h"
#include "verbs/protection_domain.h"
#include "verbs/refusal.h"

namespace pinfold::verbs {

// A range of a live region. `user` keeps the region live.
struct RegionRange {
  memory::RegionUser user;
  std::byte* begin;
  std::size_t length;
};

// Throws SystemError(`call`, EINVAL) when there is no such region, or the range is empty or not inside of the region.
RegionRange regionRange(const char* call, std::uint64_t region, std::uint64_t offset, std::uint64_t length);

// Registers a range by ibv_reg_mr_iova2, or by ibv_reg_mr in an older library. Any thread may call this. If `address`
// is empty, the IOVA is the virtual address, or 0 for zero-based memory.
struct RegisteredRange {
  ibv_mr* made;
  std::uint64_t address;
};
RegisteredRange registerRange(const FunctionTable& verbs, ibv_pd* domain, const RegionRange& range,
                              std::optional<std::uint64_t> address, unsigned access);

class Registration : public Object {
 public:
  static constexpr Kind kKind = Kind::Registration;

  enum class Source : std::uint8_t { Region, DeviceMemory, Dmabuf, Null, Implicit, Covered };

  struct Made {
    ibv_mr* registration;
    std::uint64_t address;  // IOVA of the first byte
    std::uint64_t length;
    Source source;
  };

  Registration(Context& context, std::initializer_list<Object*> parents, const Made& made)
      : Object(kKind, parents), context_(context), made_(made) {}
  Registration(Context& context, Object& parent, const Made& made, RegionRange&& range)
      : Object(kKind, {&parent}), context_(context), made_(made), range_(std::move(range)) {}
  ~Registration() override;

  // Each returns the handle of a new registration, or throws SystemError and leaves nothing.
  static Handle ofRegion(Context& context, Handle domain, RegionRange&& range, std::optional<std::uint64_t> address,
                         unsigned access);
  // Takes over the result of registerRange, whose domain the caller has kept. If this throws, it deregisters the
  // memory.
  static Handle adopt(Context& context, ProtectionDomain& domain, RegionRange&& range, const RegisteredRange& made);
  static Handle ofDeviceMemory(Context& context, Handle domain, Handle memory, std::uint64_t offset, std::size_t length,
                               unsigned access);
  static Handle ofDmabuf(Context& context, Handle domain, int descriptor, std::uint64_t offset, std::size_t length,
                         std::uint64_t address, int access);
  static Handle ofNothing(Context& context, Handle domain);
  // Registers the whole address space, for local access only.
  static Handle ofAll(Context& context, Handle domain, unsigned access);
  // Registers a range as a part of `implicit`. The device cannot give up a part: a request that is under way may still
  // reach the range after the part was deregistered and its region was closed. So the closed address range stays
  // mapped, without an owner, until `implicit` is gone.
  static Handle cover(Context& context, Handle implicit, RegionRange&& range);

  std::uint32_t lkey() const noexcept { return made_.registration->lkey; }
  std::uint32_t rkey() const noexcept { return made_.registration->rkey; }
  std::uint64_t address() const noexcept { return made_.address; }

  // Writes the scatter entry of a range of the registration, or returns the reason why there is none. With `inlined`,
  // the entry contains the virtual address in place of the IOVA.
  Refusal entry(std::uint64_t offset, std::uint64_t length, bool inlined, ibv_sge& into) const noexcept;
  // The ibv_mr to which a memory window can be bound, or null if none can.
  ibv_mr* bindable(std::uint64_t offset, std::uint64_t length) const noexcept;

  struct Change {
    std::optional<Handle> domain;
    std::optional<RegionRange> range;
    std::optional<unsigned> access;
  };
  void reregister(Change&& change);

  // Calls ibv_advise_mr for ranges of registrations.
  struct Advised {
    Handle registration;
    std::uint64_t offset;
    std::uint64_t length;
  };
  static void advise(Context& context, Handle domain, int advice, bool flush, std::span<const Advised> ranges);

  void destroy() override;

 private:
  void keepCovered() noexcept;

  Context& context_;
  Made made_;
  std::optional<RegionRange> range_;
  std::list<memory::LentBuffer> covered_;  // of an implicit registration: all ranges that were reached through it
  std::unordered_set<std::uint64_t> coveredRegions_;
  std::vector<memory::RegionUser> others_;  // of regions that the device may use after a failed reregister()
  bool isLetGo_ = false;
};

}  // namespace pinfold::verbs
