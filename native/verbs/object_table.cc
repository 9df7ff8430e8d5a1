#include "verbs/object_table.h"

#include <cerrno>

#include "os/system_error.h"

namespace pinfold::verbs {

void ObjectTable::refuse(const char* call, Handle handle) {
  throw os::SystemError(call, EINVAL, {{"handle", static_cast<double>(handle)}});
}

Object* ObjectTable::at(Handle handle) const noexcept {
  const std::uint32_t place = handle % kPlaces;
  if (place >= slots_.size() || slots_[place].generation != handle / kPlaces) return nullptr;
  return slots_[place].object.get();
}

Handle ObjectTable::take() {
  if (free_.empty()) {
    if (slots_.size() == kPlaces) throw os::SystemError("handle", EMFILE, {{"handles", static_cast<double>(kPlaces)}});
    // Room for all places is reserved here, so that giveBack() needs no memory.
    if (free_.capacity() <= slots_.size()) free_.reserve(2 * slots_.size() + 8);
    slots_.emplace_back();
    free_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
  }
  const std::uint32_t place = free_.back();
  free_.pop_back();
  ++count_;
  return ++slots_[place].generation * kPlaces + place;
}

void ObjectTable::giveBack(Handle handle) noexcept {
  const std::uint32_t place = handle % kPlaces;
  --count_;
  if (slots_[place].generation + 1 < kGenerations) free_.push_back(place);
}

void ObjectTable::destroy(const char* call, Handle handle, Object& object) {
  if (object.children() > 0) {
    throw os::SystemError(call, EBUSY, {{"children", static_cast<double>(object.children())}});
  }
  object.destroy();
  forget(handle);
}

void ObjectTable::forget(Handle handle) noexcept {
  slots_[handle % kPlaces].object.reset();
  giveBack(handle);
}

// Calls end(object, handle) for each object without children, in the order of their kinds.
template <typename End>
void ObjectTable::inOrder(const End& end) {
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    // Two rounds: an object that depends on another object of its kind (a range of an implicit registration) comes
    // first.
    for (int round = 0; round < 2; ++round) {
      for (std::size_t place = 0; place < slots_.size(); ++place) {
        const Slot& slot = slots_[place];
        if (!slot.object || slot.object->kind() != static_cast<Kind>(kind) || slot.object->children() > 0) continue;
        end(*slot.object, slot.generation * kPlaces + static_cast<Handle>(place));
      }
    }
  }
}

ObjectTable::~ObjectTable() {
  inOrder([this](Object& /*object*/, Handle handle) { forget(handle); });
}

void ObjectTable::destroyAll(bool throws) {
  inOrder([&](Object& object, Handle handle) {
    try {
      object.destroy();
    } catch (const os::SystemError&) {
      if (throws) throw;
      return;
    }
    forget(handle);
  });
}

}  // namespace pinfold::verbs
