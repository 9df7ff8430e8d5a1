// Where the core's failures become JavaScript errors: the single place that knows both (design.md, "Failures flow in
// one direction").
//
// node-addon-api is built with its own exceptions off: while a worker is being terminated every Node-API call may fail,
// and a failure then is no error of ours. Such a call leaves a pending exception or an empty value, and a bound
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

// The words of a caller that src/ should have checked: a defect of ours, but never a crash.
class ArgumentError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// A Node-API call did not go through; its exception, if any, is pending already.
class CallFailed : public std::exception {};

// `error` as JavaScript sees it: message, and syscall, errno, values where the core named them.
Napi::Value toJavaScript(Napi::Env env, const std::exception& error);

// Makes a bound function of `function`: what it throws becomes a pending JavaScript exception.
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

// The elements of a typed array of exactly this type.
template <typename Element>
std::span<Element> elements(const Napi::Value& value, napi_typedarray_type type, const char* name) {
  if (value.IsEmpty() || !value.IsTypedArray()) throw ArgumentError(std::string(name) + " is no typed array");
  napi_typedarray_type found{};
  std::size_t length = 0;
  void* data = nullptr;
  require(napi_get_typedarray_info(value.Env(), value, &found, &length, &data, nullptr, nullptr));
  if (found != type) throw ArgumentError(std::string(name) + " is a typed array of another type");
  return {static_cast<Element*>(data), length};
}

// Whether this JavaScript thread is being stopped: every call that might run JavaScript then fails.
bool isStopping(Napi::Env env);

}  // namespace pinfold::addon
