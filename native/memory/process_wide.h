// The only instance of a type in the process. It is made at first use and never destroyed, since other threads may
// still use it while exit() runs the destructors of statics.
#pragma once

#include <cstddef>
#include <new>

namespace pinfold::memory {

template <typename T>
T& processWide() {
  alignas(T) static std::byte storage[sizeof(T)];
  static T* const instance = ::new (static_cast<void*>(storage)) T();
  return *instance;
}

}  // namespace pinfold::memory
