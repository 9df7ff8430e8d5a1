#include "addon/boundary.h"

namespace pinfold::addon {

Napi::Value toJavaScript(Napi::Env env, const std::exception& error) {
  const Napi::Error made = Napi::Error::New(env, error.what());
  const Napi::Object object = made.Value();
  if (object.IsEmpty()) return {};
  const auto* system = dynamic_cast<const os::SystemError*>(&error);
  if (system == nullptr) return object;
  Napi::Object values = Napi::Object::New(env);
  for (const auto& [name, value] : system->values()) (void)values.Set(name, value);
  (void)Napi::Object(object).Set("syscall", system->call());
  (void)Napi::Object(object).Set("errno", system->error());
  (void)Napi::Object(object).Set("values", values);
  if (!system->subject().empty()) (void)Napi::Object(object).Set("subject", system->subject());
  return object;
}

void require(napi_status status) {
  if (status != napi_ok) throw CallFailed();
}

std::uint64_t wholeNumber(const Napi::Value& value, const char* name, std::uint64_t highest) {
  double number = -1;
  if (!value.IsEmpty()) {
    const napi_status status = napi_get_value_double(value.Env(), value, &number);
    if (status != napi_number_expected) require(status);
  }
  if (number >= 0 && number <= static_cast<double>(highest)) {
    // A signed conversion takes one instruction, an unsigned one several.
    const auto whole = static_cast<std::int64_t>(number);
    if (static_cast<double>(whole) == number) return static_cast<std::uint64_t>(whole);
  }
  throw ArgumentError(std::string(name) + " is no whole number in range");
}

std::span<std::byte> bytesOf(const Napi::Value& value, const char* name) {
  void* data = nullptr;
  std::size_t length = 0;
  const napi_status status =
      value.IsEmpty() ? napi_invalid_arg : napi_get_arraybuffer_info(value.Env(), value, &data, &length);
  if (status == napi_invalid_arg) throw ArgumentError(std::string(name) + " is no ArrayBuffer");
  require(status);
  return {static_cast<std::byte*>(data), length};
}

std::string text(const Napi::Value& value, const char* name) {
  if (value.IsEmpty() || !value.IsString()) throw ArgumentError(std::string(name) + " is no string");
  std::string result = value.As<Napi::String>().Utf8Value();
  // The kernel would read only the bytes before the NUL.
  if (result.find('\0') != std::string::npos) throw ArgumentError(std::string(name) + " has a NUL in it");
  return result;
}

bool truth(const Napi::Value& value, const char* name) {
  if (value.IsEmpty() || !value.IsBoolean()) throw ArgumentError(std::string(name) + " is no boolean");
  return value.As<Napi::Boolean>().Value();
}

bool isStopping(Napi::Env env) {
  const Napi::HandleScope scope(env);
  napi_value truth = nullptr;
  return napi_coerce_to_bool(env, env.Null(), &truth) != napi_ok;
}

}  // namespace pinfold::addon
