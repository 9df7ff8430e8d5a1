// Memory that the device may use (ibv_mr).
//
// It holds its region (a RegionUser) until the device has let go of the memory: ibv_dereg_mr comes before unmapping,
// always. Where deregistering fails for good, at a thread's end, the region is kept for as long as the process lives.
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

// A range of a live region, and whose user keeps it so.
struct RegionRange {
  memory::RegionUser user;
  std::byte* begin;
  std::size_t length;
};

// Throws SystemError(`call`, EINVAL) when there is no such region, or the range is empty or not inside of it.
RegionRange regionRange(const char* call, std::uint64_t region, std::uint64_t offset, std::uint64_t length);

// ibv_reg_mr of a range, in whatever way the library has it. From any thread. Without an IOVA it is the virtual
// address, or 0 when the memory is to be zero based.
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
  // Takes over what registerRange has made, of a domain that the caller kept; deregisters it when it throws.
  static Handle adopt(Context& context, ProtectionDomain& domain, RegionRange&& range, const RegisteredRange& made);
  static Handle ofDeviceMemory(Context& context, Handle domain, Handle memory, std::uint64_t offset, std::size_t length,
                               unsigned access);
  static Handle ofDmabuf(Context& context, Handle domain, int descriptor, std::uint64_t offset, std::size_t length,
                         std::uint64_t address, int access);
  static Handle ofNothing(Context& context, Handle domain);
  // Of the whole address space, for local access only.
  static Handle ofAll(Context& context, Handle domain, unsigned access);
  // The device cannot be told to let go of a part: a request that is under way reaches it still when the part was
  // deregistered and its region closed. So the address range stays what it then is, memory of nobody's, until
  // `implicit` has gone.
  static Handle cover(Context& context, Handle implicit, RegionRange&& range);

  std::uint32_t lkey() const noexcept { return made_.registration->lkey; }
  std::uint32_t rkey() const noexcept { return made_.registration->rkey; }
  std::uint64_t address() const noexcept { return made_.address; }

  // Writes the scatter entry of a range of it, or says why there is none. With `inlined` the address is the
  // processor's own.
  Refusal entry(std::uint64_t offset, std::uint64_t length, bool inlined, ibv_sge& into) const noexcept;
  // What windows are bound to; null where none can be.
  ibv_mr* bindable(std::uint64_t offset, std::uint64_t length) const noexcept;

  struct Change {
    std::optional<Handle> domain;
    std::optional<RegionRange> range;
    std::optional<unsigned> access;
  };
  void reregister(Change&& change);

  // ibv_advise_mr of ranges of registrations.
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
  std::list<memory::LentBuffer> covered_;  // of an implicit one: all that was ever reached through it
  std::unordered_set<std::uint64_t> coveredRegions_;
  std::vector<memory::RegionUser> others_;  // of regions that it may have been moved to, or not
  bool isLetGo_ = false;
};

}  // namespace pinfold::verbs
