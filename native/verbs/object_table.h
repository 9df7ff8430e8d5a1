// The objects of one open device, by handle (src/rdma/contract/device-calls.ts). A handle consists of 20 bits of place
// and 12 bits of generation. So the handle of an object that is gone names nothing, even if its place is used again. A
// place is never used again once its generations are used up.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "verbs/object.h"

namespace pinfold::verbs {

using Handle = std::uint32_t;

class ObjectTable {
 public:
  static constexpr unsigned kPlaceBits = 20;
  static constexpr std::uint32_t kPlaces = 1U << kPlaceBits;
  static constexpr std::uint32_t kGenerations = 1U << (32 - kPlaceBits);

  ObjectTable() = default;
  ObjectTable(const ObjectTable&) = delete;
  ObjectTable& operator=(const ObjectTable&) = delete;
  ~ObjectTable();  // forgets all objects, children first; objects that were not destroyed stay at the device

  // Reserves a handle for a new object. The destructor gives the place back unless an object was put there.
  class Place {
   public:
    explicit Place(ObjectTable& table) : table_(table), handle_(table.take()) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() {
      if (!filled_) table_.giveBack(handle_);
    }

    Handle handle() const noexcept { return handle_; }
    // The handle as a pointer. libibverbs stores it with the object, and returns it with the events of the object.
    void* asContext() const noexcept { return reinterpret_cast<void*>(std::uintptr_t{handle_}); }
    Handle put(std::unique_ptr<Object> object) noexcept {
      table_.slots_[handle_ % kPlaces].object = std::move(object);
      filled_ = true;
      return handle_;
    }

   private:
    ObjectTable& table_;
    const Handle handle_;
    bool filled_ = false;
  };

  static Handle fromContext(const void* context) noexcept {
    return static_cast<Handle>(reinterpret_cast<std::uintptr_t>(context));
  }

  // Returns null when the handle names nothing, or an object of another kind.
  template <typename Kept>
  Kept* find(Handle handle) const noexcept {
    Object* const object = at(handle);
    return object != nullptr && object->kind() == Kept::kKind ? static_cast<Kept*>(object) : nullptr;
  }
  // Like find(), but throws SystemError(`call`, EINVAL) instead of returning null.
  template <typename Kept>
  Kept& get(const char* call, Handle handle) const {
    Kept* const found = find<Kept>(handle);
    if (found == nullptr) refuse(call, handle);
    return *found;
  }

  // Destroys an object and forgets it. Throws SystemError: EBUSY while the object has children, or the error of the
  // device.
  template <typename Kept>
  void destroy(const char* call, Handle handle) {
    destroy(call, handle, get<Kept>(call, handle));
  }
  // Destroys as many objects as possible, children first. If `throws` is true, the first refusal is thrown. Otherwise,
  // refused objects stay in the table.
  void destroyAll(bool throws);

  std::size_t count() const noexcept { return count_; }

 private:
  struct Slot {
    std::unique_ptr<Object> object;
    std::uint32_t generation = 0;
  };

  [[noreturn]] static void refuse(const char* call, Handle handle);

  Object* at(Handle handle) const noexcept;
  Handle take();
  void giveBack(Handle handle) noexcept;
  void destroy(const char* call, Handle handle, Object& object);
  template <typename End>
  void inOrder(const End& end);
  void forget(Handle handle) noexcept;

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t count_ = 0;
};

}  // namespace pinfold::verbs
