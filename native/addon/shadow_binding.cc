// The second mappings of regions' pages, for WebAssembly. Each function is declared in src/native.ts.
#include <napi.h>

#include <cstddef>
#include <cstdint>

#include "addon/bindings.h"
#include "addon/boundary.h"
#include "addon/environment.h"
#include "memory/page_size.h"
#include "memory/shadow.h"

namespace pinfold::addon {
namespace {

// openShadow(bytes: Uint8Array) → the address of the first byte
Napi::Value openShadow(const Napi::CallbackInfo& info) {
  const auto bytes = elements<std::byte>(info[0], napi_uint8_array, "bytes");
  const memory::Shadow& made = Environment::of(info.Env()).openShadow(info[0], bytes);
  return Napi::Number::New(info.Env(), static_cast<double>(reinterpret_cast<std::uintptr_t>(made.begin())));
}

// mapShadow(attachment, offset, length, at)
Napi::Value mapShadow(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  const memory::RegionUser& user = environment.attachment(wholeNumber(info[0], "attachment")).user;
  const std::size_t page = memory::basePageSize();
  const std::size_t size = user.entry().size;
  const std::size_t offset = wholeNumber(info[1], "offset", size);
  const std::size_t length = wholeNumber(info[2], "length", size - offset);
  const std::size_t at = wholeNumber(info[3], "at");
  memory::Shadow& shadow = environment.shadow();
  const auto address = reinterpret_cast<std::uintptr_t>(shadow.begin()) + at;
  // The kernel refuses what is no multiple of a larger page.
  if (offset % page != 0 || length % page != 0 || address % page != 0) throw ArgumentError("not whole pages");
  shadow.map(user, offset, length, at);
  return info.Env().Undefined();
}

// retireShadow(at) → false if the pages could not be taken out
Napi::Value retireShadow(const Napi::CallbackInfo& info) {
  const std::size_t at = wholeNumber(info[0], "at");
  return Napi::Boolean::New(info.Env(), Environment::of(info.Env()).shadow().retire(at));
}

}  // namespace

void bindShadow(Napi::Object exports) {
  bind<openShadow>(exports, "openShadow");
  bind<mapShadow>(exports, "mapShadow");
  bind<retireShadow>(exports, "retireShadow");
}

}  // namespace pinfold::addon
