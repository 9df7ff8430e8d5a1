// Calls functions of a FunctionTable. A failure becomes a SystemError that names the function.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "os/system_error.h"
#include "verbs/function_table.h"

namespace pinfold::verbs {

// Throws SystemError("dlvsym", ENOSYS) for a function that this libibverbs lacks. The subject contains its name.
[[noreturn]] void throwMissing(std::string_view name);

template <typename Result, typename... Parameters>
void requireFunction(const char* name, const std::function<Result(Parameters...)>& function) {
  if (!function) throwMissing(name);
}

// Calls a function that returns 0 or an error number.
template <typename... Parameters, typename... Arguments>
void call(const char* name, const std::function<int(Parameters...)>& function, Arguments&&... arguments) {
  requireFunction(name, function);
  const int error = function(std::forward<Arguments>(arguments)...);
  if (error != 0) throw os::SystemError(name, error);
}

// Calls a function that makes an object.
template <typename Object, typename... Parameters, typename... Arguments>
Object* make(const char* name, const std::function<Object*(Parameters...)>& function, Arguments&&... arguments) {
  requireFunction(name, function);
  errno = 0;
  Object* const made = function(std::forward<Arguments>(arguments)...);
  // Some providers do not set errno. EPROTO stands for that, since EIO would mean that the device is gone.
  if (made == nullptr) throw os::SystemError(name, errno == 0 ? EPROTO : errno);
  return made;
}

}  // namespace pinfold::verbs
