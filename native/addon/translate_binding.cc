// Physical addresses for JavaScript. Each function is declared in src/native.ts.
#include <napi.h>

#include <cstdint>
#include <limits>
#include <span>

#include "addon/bindings.h"
#include "addon/boundary.h"
#include "translate/page_words.h"
#include "translate/pagemap.h"

namespace pinfold::addon {
namespace {

int pidOf(const Napi::Value& value) {
  return static_cast<int>(wholeNumber(value, "pid", std::numeric_limits<int>::max()));
}

std::uint64_t read(int pid, std::uint64_t address) {
  return pid == 0 ? translate::Pagemap::self().entry(address) : translate::Pagemap(pid).entry(address);
}

void store(std::uint64_t entry, const Napi::Value& into) {
  const auto words = elements<std::uint32_t>(into, napi_uint32_array, "entry");
  if (words.size() < 2) throw ArgumentError("entry is shorter than two words");
  words[0] = static_cast<std::uint32_t>(entry);
  words[1] = static_cast<std::uint32_t>(entry >> 32U);
}

struct View {
  const void* data;
  std::size_t length;
};

// Any ArrayBufferView: typed array, DataView or Buffer.
View viewOf(const Napi::Value& value) {
  void* data = nullptr;
  std::size_t length = 0;
  if (!value.IsEmpty() && value.IsTypedArray()) {
    require(napi_get_typedarray_info(value.Env(), value, nullptr, &length, &data, nullptr, nullptr));
  } else if (!value.IsEmpty() && value.IsDataView()) {
    require(napi_get_dataview_info(value.Env(), value, &length, &data, nullptr, nullptr));
  } else {
    throw ArgumentError("view is no ArrayBufferView");
  }
  if (length == 0 || data == nullptr) throw ArgumentError("view is empty or detached");
  return {data, length};
}

std::uint64_t numberOf(const void* address) { return reinterpret_cast<std::uintptr_t>(address); }

Napi::Value addressOf(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(numberOf(viewOf(info[0]).data)));
}

Napi::Value readPagemapEntry(const Napi::CallbackInfo& info) {
  store(read(pidOf(info[0]), wholeNumber(info[1], "address")), info[2]);
  return info.Env().Undefined();
}

Napi::Value readPagemapOf(const Napi::CallbackInfo& info) {
  const std::uint64_t address = numberOf(viewOf(info[0]).data);
  store(read(0, address), info[1]);
  return Napi::Number::New(info.Env(), static_cast<double>(address));
}

Napi::Value readPagemapRaw(const Napi::CallbackInfo& info) {
  const int pid = pidOf(info[0]);
  const std::uint64_t address = wholeNumber(info[1], "address");
  const auto entries = elements<std::uint64_t>(info[2], napi_biguint64_array, "entries");
  if (pid == 0) {
    translate::Pagemap::self().entries(address, entries);
  } else {
    translate::Pagemap(pid).entries(address, entries);
  }
  return info.Env().Undefined();
}

Napi::Value translatePages(const Napi::CallbackInfo& info) {
  const std::uint64_t address = wholeNumber(info[0], "address");
  const std::uint64_t stride = wholeNumber(info[1], "stride");
  translate::Pagemap::self().translate(address, stride, elements<double>(info[2], napi_float64_array, "pages"));
  return info.Env().Undefined();
}

Napi::Value readPageWords(const Napi::CallbackInfo& info) {
  const auto file = static_cast<translate::PageWords>(wholeNumber(info[0], "file", 1));
  const auto physical = elements<double>(info[1], napi_float64_array, "physical");
  const auto words = elements<std::uint64_t>(info[2], napi_biguint64_array, "words");
  if (words.size() < physical.size()) throw ArgumentError("words is shorter than physical");
  translate::readPageWords(file, physical, words.first(physical.size()));
  return info.Env().Undefined();
}

}  // namespace

void bindTranslate(Napi::Object exports) {
  bind<addressOf>(exports, "addressOf");
  bind<readPagemapEntry>(exports, "readPagemapEntry");
  bind<readPagemapOf>(exports, "readPagemapOf");
  bind<readPagemapRaw>(exports, "readPagemapRaw");
  bind<translatePages>(exports, "translate");
  bind<readPageWords>(exports, "readPageWords");
}

}  // namespace pinfold::addon
