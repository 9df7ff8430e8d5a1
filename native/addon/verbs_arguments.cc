#include "addon/verbs_arguments.h"

#include <limits>
#include <string>

#include "addon/boundary.h"
#include "addon/environment.h"
#include "addon/verbs_environment.h"

namespace pinfold::addon {

verbs::Context& contextOf(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).verbs().context(wholeNumber(info[0], "context"));
}

verbs::Handle handleOf(const Napi::Value& value, const char* name) { return word(value, name); }

int integer(const Napi::Value& value, const char* name) {
  return static_cast<int>(wholeNumber(value, name, std::numeric_limits<int>::max()));
}

std::uint32_t word(const Napi::Value& value, const char* name) {
  return static_cast<std::uint32_t>(wholeNumber(value, name, std::numeric_limits<std::uint32_t>::max()));
}

std::uint64_t wide(const Napi::Value& value, const char* name) {
  std::uint64_t result = 0;
  bool lossless = false;
  if (!value.IsEmpty() && value.IsBigInt()) {
    require(napi_get_value_bigint_uint64(value.Env(), value, &result, &lossless));
  }
  if (!lossless) throw ArgumentError(std::string(name) + " is no bigint of 64 bits");
  return result;
}

std::optional<std::uint64_t> optionalWide(const Napi::Value& value, const char* name) {
  if (value.IsEmpty() || value.IsUndefined()) return std::nullopt;
  return wide(value, name);
}

std::span<std::uint32_t> words(const Napi::Value& value, const char* name, std::size_t size) {
  const auto found = elements<std::uint32_t>(value, napi_uint32_array, name);
  if (found.size() < size) throw ArgumentError(std::string(name) + " is too short");
  return found;
}

std::span<std::uint32_t> wordsOfBuffer(const Napi::Value& value, const char* name) {
  const std::span<std::byte> bytes = bytesOf(value, name);
  return {reinterpret_cast<std::uint32_t*>(bytes.data()), bytes.size() / sizeof(std::uint32_t)};
}

Napi::Object object(Napi::Env env) {
  const Napi::Object made = Napi::Object::New(env);
  if (made.IsEmpty()) throw CallFailed();
  return made;
}

void set(Napi::Object& object, const char* name, double value) { (void)object.Set(name, value); }

void setWide(Napi::Object& object, const char* name, std::uint64_t value) {
  (void)object.Set(name, Napi::BigInt::New(object.Env(), value));
}

void setText(Napi::Object& object, const char* name, const std::string& value) { (void)object.Set(name, value); }

Napi::Value number(Napi::Env env, std::uint64_t value) {
  if (value > std::numeric_limits<std::uint32_t>::max()) return Napi::Number::New(env, static_cast<double>(value));
  napi_value made = nullptr;
  require(napi_create_uint32(env, static_cast<std::uint32_t>(value), &made));
  return {env, made};
}

Napi::Value writeKeys(Napi::Env env, verbs::Context& context, verbs::Handle handle, std::span<std::uint32_t> keys) {
  const auto* const registration = context.objects().find<verbs::Registration>(handle);
  keys[0] = handle;
  keys[1] = registration->lkey();
  keys[2] = registration->rkey();
  keys[3] = static_cast<std::uint32_t>(registration->address());
  keys[4] = static_cast<std::uint32_t>(registration->address() >> 32U);
  return env.Undefined();
}

}  // namespace pinfold::addon
