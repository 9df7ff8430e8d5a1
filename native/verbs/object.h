// A verbs object of one open device: made whole or not at all, and destroyed by destroy(), which may be refused.
//
// An object stands on its parents, which stay while it lives: a parent with children is not destroyed, so a plain
// pointer to it is safe. All objects of a device are one thread's; the exceptions say so (event_thread.h,
// registration.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace pinfold::verbs {

// The order in which the objects of a device are closed: that of src/rdma/contract/closing-order.ts, which explains it.
// An implicit registration is a Registration here.
enum class Kind : std::uint8_t {
  MemoryWindow,
  QueuePair,
  SharedReceiveQueue,
  AddressHandle,
  Registration,
  DeviceMemory,
  CompletionQueue,
  CompletionChannel,
  Domain,
};
constexpr std::size_t kKinds = 9;

class Object {
 public:
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object();  // the parents lose a child; what was not destroyed at the device is left to it

  Kind kind() const noexcept { return kind_; }
  std::size_t children() const noexcept { return children_; }
  // Something is under way on it, and it must stay: as a child would.
  void keep() noexcept { ++children_; }
  void letGo() noexcept { --children_; }

  // Destroys it at the device. Throws SystemError, and nothing is changed then. Once it returns only the destructor
  // may be called.
  virtual void destroy() = 0;

 protected:
  Object(Kind kind, std::initializer_list<Object*> parents);
  // It stands on `to` from now on, in place of its first parent.
  void moveTo(Object& to) noexcept;

 private:
  const Kind kind_;
  std::size_t children_ = 0;
  std::vector<Object*> parents_;
};

}  // namespace pinfold::verbs
