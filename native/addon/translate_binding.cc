// Physical addresses for JavaScript. Each function is declared in src/native.ts.
#include <napi.h>

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "addon/bindings.h"
#include "addon/boundary.h"
#include "translate/page_scan.h"
#include "translate/page_words.h"
#include "translate/pagemap.h"
#include "translate/range_use.h"

namespace pinfold::addon {
namespace {

int pidOf(const Napi::Value& value) {
  return static_cast<int>(wholeNumber(value, "pid", std::numeric_limits<int>::max()));
}

std::uint64_t read(int pid, std::uint64_t address) {
  return pid == 0 ? translate::Pagemap::self().entry(address) : translate::Pagemap(pid).entry(address);
}

// A Cell receives one pagemap entry: its two halves, low first, and then the halves of its address. Passing an array
// with each call would cost a sixth of the read. Each thread owns one Cell, which is never freed. So writing to it is
// safe, whatever JavaScript does with the ArrayBuffer that shows it.
struct alignas(64) Cell : std::array<std::uint32_t, 4> {};

void store(const Napi::CallbackInfo& info, std::uint64_t entry, std::uint64_t address) {
  *static_cast<Cell*>(info.Data()) = {{static_cast<std::uint32_t>(entry), static_cast<std::uint32_t>(entry >> 32U),
                                       static_cast<std::uint32_t>(address),
                                       static_cast<std::uint32_t>(address >> 32U)}};
}

struct View {
  const void* data;
  std::size_t length;
};

// Any ArrayBufferView: typed array, DataView or Buffer.
View viewOf(const Napi::Value& value) {
  void* data = nullptr;
  std::size_t length = 0;
  // Each of the two calls refuses the views that the other one accepts.
  if (napi_get_typedarray_info(value.Env(), value, nullptr, &length, &data, nullptr, nullptr) != napi_ok &&
      napi_get_dataview_info(value.Env(), value, &length, &data, nullptr, nullptr) != napi_ok) {
    throw ArgumentError("view is no ArrayBufferView");
  }
  if (length == 0 || data == nullptr) throw ArgumentError("view is empty or detached");
  return {data, length};
}

std::uint64_t numberOf(const void* address) { return reinterpret_cast<std::uintptr_t>(address); }

Napi::Value readPagemapEntry(const Napi::CallbackInfo& info) {
  const std::uint64_t address = wholeNumber(info[1], "address");
  store(info, read(pidOf(info[0]), address), address);
  return {};
}

Napi::Value readPagemapOf(const Napi::CallbackInfo& info) {
  const std::uint64_t address = numberOf(viewOf(info[0]).data);
  store(info, read(0, address), address);
  return {};
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
  const std::uint64_t offset = wholeNumber(info[2], "offset");
  const auto pages = elements<double>(info[3], napi_float64_array, "pages");
  translate::Pagemap::self().displacements(address, stride, offset, pages);
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

// Writes three numbers for each stretch. Returns [stretches, where the scan ended].
Napi::Value scanPages(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto pagemap = static_cast<int>(wholeNumber(info[0], "pagemap", std::numeric_limits<int>::max()));
  const std::uint64_t start = wholeNumber(info[1], "start");
  const std::uint64_t end = wholeNumber(info[2], "end");
  const auto out = elements<double>(info[3], napi_float64_array, "stretches");
  // The kernel writes to memory of our own, since the array may lie in memory that another thread takes away.
  std::vector<translate::PageStretch> stretches(out.size() / 3);
  const translate::PageScan scan = translate::scanPages(pagemap, start, end, stretches);
  for (std::size_t i = 0; i < scan.found; ++i) {
    out[i * 3] = static_cast<double>(stretches[i].start);
    out[i * 3 + 1] = static_cast<double>(stretches[i].end);
    out[i * 3 + 2] = static_cast<double>(stretches[i].categories);
  }
  Napi::Array pair = Napi::Array::New(env, 2);
  if (pair.IsEmpty()) throw CallFailed();
  pair.Set(0U, Napi::Number::New(env, static_cast<double>(scan.found)));
  pair.Set(1U, Napi::Number::New(env, static_cast<double>(scan.next)));
  return pair;
}

Napi::Value rangeUse(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto use = translate::rangeUse(wholeNumber(info[0], "address"), wholeNumber(info[1], "size"));
  if (!use) return env.Undefined();
  Napi::Object object = Napi::Object::New(env);
  if (object.IsEmpty()) throw CallFailed();
  const auto set = [&](const char* name, std::uint64_t value) { object.Set(name, static_cast<double>(value)); };
  set("mapped", use->mapped);
  set("resident", use->resident);
  set("hugetlbShared", use->hugetlbShared);
  set("hugetlbPrivate", use->hugetlbPrivate);
  set("transparent", use->transparent);
  set("locked", use->locked);
  set("pageSize", use->pageSize);
  object.Set("name", use->name);
  return object;
}

void bindCell(Napi::Object exports) {
  const Napi::Env env = exports.Env();
  Cell* const cell = new Cell();  // NOLINT(cppcoreguidelines-owning-memory): never freed
  napi_value buffer = nullptr;
  const napi_status status =
      napi_create_external_arraybuffer(env, cell, cell->size() * sizeof cell->front(), nullptr, nullptr, &buffer);
  // If this fails, the thread is ending, or the runtime has no external buffers. src/ then finds no cell.
  if (status == napi_ok) (void)exports.Set("pagemapCell", Napi::Value(env, buffer));
  const auto bindWithCell = [&](const char* name, auto function) {
    (void)exports.Set(name, Napi::Function::New(env, function, name, cell));
  };
  bindWithCell("readPagemapEntry", guarded<readPagemapEntry>);
  bindWithCell("readPagemapOf", guarded<readPagemapOf>);
}

}  // namespace

void bindTranslate(Napi::Object exports) {
  bindCell(exports);
  bind<readPagemapRaw>(exports, "readPagemapRaw");
  bind<translatePages>(exports, "translate");
  bind<readPageWords>(exports, "readPageWords");
  bind<scanPages>(exports, "scanPages");
  bind<rangeUse>(exports, "rangeUse");
}

}  // namespace pinfold::addon
