// The boundary turns failures of the core into JavaScript errors. Only this file knows both (design.md, "Failures flow
// in one direction").
//
// node-addon-api is built without its own exceptions: while a worker is being terminated, every Node-API call may fail,
// and such a failure is not an error of pinfold. The call leaves a pending exception or an empty value, and the bound
// function returns at once.
#pragma once

#include <napi.h>

#include <cstdint>
#include <exception>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>

#include "os/system_error.h"

namespace pinfold::addon {

// An argument is wrong that src/ should have checked. This is a defect of pinfold, but never a crash.
class ArgumentError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// A Node-API call failed. Its exception, if there is one, is already pending.
class CallFailed : public std::exception {};

// Converts `error` to a JavaScript error with its message. For a SystemError the result also contains syscall, errno
// and values, and the subject if there is one.
Napi::Value toJavaScript(Napi::Env env, const std::exception& error);

// Makes a bound function from `function`: its exceptions become pending JavaScript exceptions.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return function(info);
  } catch (const CallFailed&) {
    return {};
  } catch (const std::exception& error) {
    const Napi::Value value = toJavaScript(info.Env(), error);
    if (!value.IsEmpty() && !info.Env().IsExceptionPending()) (void)napi_throw(info.Env(), value);
    return {};
  }
}

// Throws CallFailed unless `status` is napi_ok.
void require(napi_status status);

// A whole number in [0, highest]; throws ArgumentError with the argument's name.
std::uint64_t wholeNumber(const Napi::Value& value, const char* name,
                          std::uint64_t highest = std::numeric_limits<std::uint64_t>::max() >> 11U);
std::string text(const Napi::Value& value, const char* name);
bool truth(const Napi::Value& value, const char* name);

// The bytes of an ArrayBuffer. Node-API finds them in a third of the time that it needs for a typed array.
std::span<std::byte> bytesOf(const Napi::Value& value, const char* name);

// The elements of a typed array of exactly this type.
template <typename Element>
std::span<Element> elements(const Napi::Value& value, napi_typedarray_type type, const char* name) {
  napi_typedarray_type found{};
  std::size_t length = 0;
  void* data = nullptr;
  const napi_status status =
      value.IsEmpty() ? napi_invalid_arg
                      : napi_get_typedarray_info(value.Env(), value, &found, &length, &data, nullptr, nullptr);
  if (status == napi_invalid_arg) throw ArgumentError(std::string(name) + " is no typed array");
  require(status);
  if (found != type) throw ArgumentError(std::string(name) + " is a typed array of another type");
  return {static_cast<Element*>(data), length};
}

// True if this JavaScript thread is being stopped. Then every call that might run JavaScript fails.
bool isStopping(Napi::Env env);

}  // namespace pinfold::addon
