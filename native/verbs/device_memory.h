// Memory on the device itself (ibv_dm).
#pragma once

#include <cstddef>
#include <span>

#include "verbs/context.h"

namespace pinfold::verbs {

class DeviceMemory : public Object {
 public:
  static constexpr Kind kKind = Kind::DeviceMemory;

  DeviceMemory(Context& context, std::size_t length, std::uint32_t alignmentLog2);

  static Handle allocate(Context& context, std::size_t length, std::uint32_t alignmentLog2) {
    ObjectTable::Place place(context.objects());
    return place.put(std::make_unique<DeviceMemory>(context, length, alignmentLog2));
  }

  ibv_dm* get() const noexcept { return made_; }
  std::size_t length() const noexcept { return length_; }
  void destroy() override { (void)context_.end("ibv_free_dm", context_.verbs().freeDm, made_); }

  // Both throw SystemError: EINVAL for a range outside of the memory.
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  void read(std::uint64_t offset, std::span<std::byte> bytes);

 private:
  void requireRange(const char* call, std::uint64_t offset, std::size_t length) const;

  Context& context_;
  const std::size_t length_;
  ibv_dm* const made_;
};

}  // namespace pinfold::verbs
