// Arguments and results that the verbs functions share.
#pragma once

#include <napi.h>

#include <cstdint>
#include <optional>
#include <span>

#include "verbs/context.h"
#include "verbs/registration.h"

namespace pinfold::addon {

// The device of a call: always the first argument.
verbs::Context& contextOf(const Napi::CallbackInfo& info);
verbs::Handle handleOf(const Napi::Value& value, const char* name);
int integer(const Napi::Value& value, const char* name);
std::uint32_t word(const Napi::Value& value, const char* name);
// A bigint in [0, 2^64).
std::uint64_t wide(const Napi::Value& value, const char* name);
std::optional<std::uint64_t> optionalWide(const Napi::Value& value, const char* name);
// The words of a Uint32Array that contains at least `size` words.
std::span<std::uint32_t> words(const Napi::Value& value, const char* name, std::size_t size);

// The words of an ArrayBuffer, whose address is a multiple of 8 in every engine: for calls that must be fast.
std::span<std::uint32_t> wordsOfBuffer(const Napi::Value& value, const char* name);

// Makes a JavaScript object, and sets its properties.
Napi::Object object(Napi::Env env);
void set(Napi::Object& object, const char* name, double value);
void setWide(Napi::Object& object, const char* name, std::uint64_t value);
void setText(Napi::Object& object, const char* name, const std::string& value);

Napi::Value number(Napi::Env env, std::uint64_t value);

// The `keys` of src/native-verbs.ts: handle, lkey, rkey, and the address in two words.
constexpr std::size_t kKeyWords = 5;
Napi::Value writeKeys(Napi::Env env, verbs::Context& context, verbs::Handle handle, std::span<std::uint32_t> keys);

}  // namespace pinfold::addon
