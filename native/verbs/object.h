// A verbs object of one open device. The constructor makes the whole object, or throws. destroy() destroys it at the
// device, which may refuse that.
//
// An object depends on its parents. A parent with children is never destroyed, so a plain pointer to a parent is safe.
// All objects of a device belong to one thread. event_thread.h and registration.h tell the exceptions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace pinfold::verbs {

// The order in which the objects of a device are closed. It is the order of src/rdma/contract/closing-order.ts, which
// explains it. Here, an implicit registration is a Registration.
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
  virtual ~Object();  // releases the parents; an object that was not destroyed stays at the device

  Kind kind() const noexcept { return kind_; }
  std::size_t children() const noexcept { return children_; }
  // Work on the object is under way, so the object must stay. It counts as a child until letGo().
  void keep() noexcept { ++children_; }
  void letGo() noexcept { --children_; }

  // Destroys the object at the device. Throws SystemError, and then nothing has changed. After it has returned, only
  // the destructor may be called.
  virtual void destroy() = 0;

 protected:
  Object(Kind kind, std::initializer_list<Object*> parents);
  // Replaces the first parent by `to`.
  void moveTo(Object& to) noexcept;

 private:
  const Kind kind_;
  std::size_t children_ = 0;
  std::vector<Object*> parents_;
};

}  // namespace pinfold::verbs
