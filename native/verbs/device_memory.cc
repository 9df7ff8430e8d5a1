#include "verbs/device_memory.h"

#include <cerrno>

namespace pinfold::verbs {
namespace {

ibv_dm* allocated(Context& context, std::size_t length, std::uint32_t alignmentLog2) {
  ibv_alloc_dm_attr attributes{};
  attributes.length = length;
  attributes.log_align_req = alignmentLog2;
  return make("ibv_alloc_dm", context.verbs().allocDm, context.device(), &attributes);
}

}  // namespace

DeviceMemory::DeviceMemory(Context& context, std::size_t length, std::uint32_t alignmentLog2)
    : Object(kKind, {}), context_(context), length_(length), made_(allocated(context, length, alignmentLog2)) {}

void DeviceMemory::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  requireRange("ibv_memcpy_to_dm", offset, bytes.size());
  call("ibv_memcpy_to_dm", context_.verbs().memcpyToDm, made_, offset, bytes.data(), bytes.size());
}

void DeviceMemory::read(std::uint64_t offset, std::span<std::byte> bytes) {
  requireRange("ibv_memcpy_from_dm", offset, bytes.size());
  call("ibv_memcpy_from_dm", context_.verbs().memcpyFromDm, bytes.data(), made_, offset, bytes.size());
}

// Providers copy without a check of the length.
void DeviceMemory::requireRange(const char* call, std::uint64_t offset, std::size_t length) const {
  if (offset <= length_ && length <= length_ - offset) return;
  throw os::SystemError(call, EINVAL,
                        {{"offset", static_cast<double>(offset)}, {"length", static_cast<double>(length)}});
}

}  // namespace pinfold::verbs
