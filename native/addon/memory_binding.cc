// Regions for JavaScript: allocate, attach, windows, close. Each function is declared in src/native.ts.
#include <napi.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "addon/allocate_job.h"
#include "addon/bindings.h"
#include "addon/boundary.h"
#include "addon/environment.h"
#include "addon/unmap_job.h"
#include "memory/region_table.h"
#include "memory/under_way.h"
#include "os/system_calls.h"
#include "os/system_error.h"

namespace pinfold::addon {
namespace {

// A window is the memory of one ArrayBuffer: at most 4 GiB, the largest typed array of Node 20. Each window starts 2
// GiB after the one before, so any view of up to 2 GiB lies inside of one window.
constexpr std::size_t kWindowSize = std::size_t{4} << 30;
constexpr std::size_t kWindowStep = std::size_t{2} << 30;

// src/native.ts, mappingFlag
namespace mapping_flag {
constexpr std::uint64_t kLock = 1;
constexpr std::uint64_t kGuard = 2;
constexpr std::uint64_t kDump = 4;
constexpr std::uint64_t kKeepFile = 8;
constexpr std::uint64_t kAll = kLock | kGuard | kDump | kKeepFile;
}  // namespace mapping_flag

constexpr std::uint64_t kLargestSize = std::uint64_t{1} << 56U;  // the address space of five-level page tables

// Memory of this size is populated in about 20 ms, so it is not worth a second thread (mapWatchfully).
constexpr std::size_t kUnwatched = std::size_t{64} << 20;

struct Request {
  memory::MappingRequest mapping;
  std::string description;
  std::optional<std::uint64_t> mostAnnounced;
};

memory::PageSize pageSizeOf(const Napi::Object& from) {
  const std::uint64_t kind = wholeNumber(from.Get("kind"), "kind", 2);
  const std::size_t bytes = wholeNumber(from.Get("pageSize"), "pageSize");
  if (!std::has_single_bit(bytes) || bytes < memory::basePageSize()) throw ArgumentError("pageSize is no page size");
  return {static_cast<memory::PageKind>(kind), bytes};
}

// src/native.ts, NativeRequest: `descriptor` is read only for adopted memory.
std::shared_ptr<const memory::AdoptedMemory> adoptedOf(const Napi::Object& from, std::size_t unit) {
  const std::size_t offset = wholeNumber(from.Get("offset"), "offset", kLargestSize);
  if (offset % unit != 0) throw ArgumentError("offset is no multiple of the page size");
  return std::make_shared<const memory::AdoptedMemory>(
      static_cast<int>(wholeNumber(from.Get("descriptor"), "descriptor", INT_MAX)),
      memory::AdoptedMemory::Range{.offset = offset, .mayShrink = truth(from.Get("mayShrink"), "mayShrink")});
}

memory::Placement placementOf(const Napi::Object& from) {
  constexpr std::uint32_t kHighestNode = 1023;  // MAX_NUMNODES is 2^CONFIG_NODES_SHIFT, at most 2^10
  const std::uint64_t kind = wholeNumber(from.Get("policy"), "policy", 6);
  const auto given = elements<std::uint32_t>(from.Get("nodes"), napi_uint32_array, "nodes");
  std::vector<std::uint32_t> nodes(given.begin(), given.end());  // copied first: another thread may write there
  if (std::ranges::any_of(nodes, [](std::uint32_t node) { return node > kHighestNode; })) {
    throw ArgumentError("nodes has a node above 1023");
  }
  return memory::resolved({static_cast<memory::PlacementKind>(kind), std::move(nodes)});
}

// src/native.ts, NativeRequest: undefined when the kernel's counters were not read.
std::optional<std::uint64_t> mostAnnouncedOf(const Napi::Value& value) {
  if (value.IsUndefined()) return std::nullopt;
  return wholeNumber(value, "mostAnnounced");
}

Request requestOf(const Napi::Value& value) {
  constexpr std::uint64_t kMostThreads = 1024;
  if (value.IsEmpty() || !value.IsObject()) throw ArgumentError("request is no object");
  const Napi::Object from = value.As<Napi::Object>();
  const memory::PageSize page = pageSizeOf(from);
  const std::size_t size = wholeNumber(from.Get("size"), "size", kLargestSize);
  const std::size_t unit = page.kind == memory::PageKind::Hugetlb ? page.bytes : memory::basePageSize();
  if (size == 0 || size % unit != 0) throw ArgumentError("size is no multiple of the page size");
  const std::uint64_t flags = wholeNumber(from.Get("flags"), "flags", mapping_flag::kAll);
  const auto backing = static_cast<memory::Backing>(wholeNumber(from.Get("backing"), "backing", 3));
  return {{.name = text(from.Get("name"), "name"),
           .size = size,
           .page = page,
           .backing = backing,
           .path = text(from.Get("path"), "path"),
           .lock = (flags & mapping_flag::kLock) != 0,
           .guard = (flags & mapping_flag::kGuard) != 0,
           .dump = (flags & mapping_flag::kDump) != 0,
           .keepFile = (flags & mapping_flag::kKeepFile) != 0,
           .placement = placementOf(from),
           .threads = static_cast<unsigned>(
               std::max<std::uint64_t>(1, wholeNumber(from.Get("threads"), "threads", kMostThreads))),
           .adopted = backing == memory::Backing::Adopted ? adoptedOf(from, unit) : nullptr},
          text(from.Get("description"), "description"),
          mostAnnouncedOf(from.Get("mostAnnounced"))};
}

// Announces the memory under way (under_way.h). This comes last before the work begins, since it may be refused.
// Adopted memory mostly exists already, and a shortage of hugetlb pages is an errno, so neither is announced.
void announce(Request& request) {
  memory::MappingRequest& mapping = request.mapping;
  if (mapping.page.kind == memory::PageKind::Hugetlb || mapping.adopted != nullptr) return;
  mapping.announcement = std::make_shared<memory::Announcement>(mapping.size, request.mostAnnounced);
}

// Populates on another thread, so that this thread notices that it is terminated, or that the process exits.
memory::Mapping mapWatchfully(Napi::Env env, const memory::MappingRequest& request) {
  constexpr std::chrono::milliseconds kLook(10);
  std::atomic<bool> cancelled = false;
  try {
    auto mapping = std::async(std::launch::async, [&] { return memory::Mapping(request, cancelled); });
    while (mapping.wait_for(kLook) != std::future_status::ready) cancelled = isStopping(env);
    return mapping.get();
  } catch (const std::system_error& error) {
    throw os::SystemError("pthread_create", error.code().value());
  }
}

memory::Mapping map(Napi::Env env, const memory::MappingRequest& request) {
  const std::atomic<bool> never = false;
  return request.size > kUnwatched ? mapWatchfully(env, request) : memory::Mapping(request, never);
}

Napi::Value allocate(const Napi::CallbackInfo& info) {
  Request request = requestOf(info[0]);
  announce(request);
  memory::Mapping mapping = map(info.Env(), request.mapping);
  return Environment::of(info.Env())
      .adopt(memory::RegionTable::process().add(std::move(mapping), request.mapping, request.description));
}

Napi::Value allocateAsync(const Napi::CallbackInfo& info) {
  Request request = requestOf(info[0]);
  if (!info[1].IsFunction()) throw ArgumentError("settle is no function");
  announce(request);
  auto job = std::make_unique<AllocateJob>(Environment::of(info.Env()), std::move(request.mapping),
                                           std::move(request.description));
  const std::uint64_t ticket = Job::start(info.Env(), std::move(job), "pinfold:allocate", info[1].As<Napi::Function>());
  return Napi::Number::New(info.Env(), static_cast<double>(ticket));
}

Napi::Value cancelAllocation(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).cancel(wholeNumber(info[0], "ticket"));
  return info.Env().Undefined();
}

Napi::Value attach(const Napi::CallbackInfo& info) {
  std::optional<memory::RegionUser> user = memory::RegionTable::process().attach(wholeNumber(info[0], "region"));
  if (!user) return info.Env().Undefined();
  return Environment::of(info.Env()).adopt(std::move(*user));
}

Napi::Value close(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), Environment::of(info.Env()).giveUp(wholeNumber(info[0], "attachment")));
}

Napi::Value leave(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).leave(wholeNumber(info[0], "attachment"));
  return info.Env().Undefined();
}

Napi::Value unmap(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction()) throw ArgumentError("settle is no function");
  Environment& environment = Environment::of(info.Env());
  const auto all = std::make_shared<std::vector<memory::Unmapping>>(environment.takeUnmappings());
  if (all->empty()) return Napi::Boolean::New(info.Env(), false);
  try {
    auto job = std::make_unique<UnmapJob>(environment, all);
    (void)Job::start(info.Env(), std::move(job), "pinfold:unmap", info[0].As<Napi::Function>());
  } catch (const os::SystemError&) {
    all->clear();  // no thread can be started, so this one does the work
    return Napi::Boolean::New(info.Env(), false);
  }
  return Napi::Boolean::New(info.Env(), true);
}

Napi::Value window(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  Attachment& attachment = environment.attachment(wholeNumber(info[0], "attachment"));
  const std::size_t offset = wholeNumber(info[1], "index", std::uint64_t{1} << 32U) * kWindowStep;
  const std::size_t size = attachment.user.entry().size;
  if (offset >= size) throw ArgumentError("index is past the region");
  return environment.window(attachment, offset / kWindowStep, offset, std::min(kWindowSize, size - offset));
}

Napi::Value memoryUnderWay(const Napi::CallbackInfo& info) {
  const memory::UnderWay now = memory::underWay();
  Napi::Array both = Napi::Array::New(info.Env(), 2);
  if (both.IsEmpty()) throw CallFailed();
  (void)both.Set(0U, static_cast<double>(now.bytes));
  (void)both.Set(1U, static_cast<double>(now.announced));
  return both;
}

Napi::Value tableCounts(const Napi::CallbackInfo& info) {
  const memory::RegionTable::Counts counts = memory::RegionTable::process().counts();
  Napi::Object object = Napi::Object::New(info.Env());
  if (object.IsEmpty()) throw CallFailed();
  (void)object.Set("live", static_cast<double>(counts.live));
  (void)object.Set("closed", static_cast<double>(counts.closed));
  (void)object.Set("buffers", static_cast<double>(counts.buffers));
  return object;
}

// dropPages(bytes: Uint8Array). The memory is a shared one, so no JavaScript can move it away or free it meanwhile.
Napi::Value dropPages(const Napi::CallbackInfo& info) {
  const auto bytes = elements<std::byte>(info[0], napi_uint8_array, "bytes");
  // The kernel refuses an address that is no multiple of a page, but rounds a length up.
  if (bytes.size() % memory::basePageSize() != 0) throw ArgumentError("not whole pages");
  (void)::madvise(bytes.data(), bytes.size(), MADV_DONTNEED);
  return info.Env().Undefined();
}

Napi::Value basePageSize(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(memory::basePageSize()));
}

// The token is drawn at the first call. Workers share it, since they share the addon.
Napi::Value processToken(const Napi::CallbackInfo& info) {
  static const double token = [] {
    std::uint64_t random = 0;
    if (::getrandom(&random, sizeof random, 0) != sizeof random) os::throwErrno("getrandom");
    return static_cast<double>(random >> 11U);  // 53 bits, exact in a double
  }();
  return Napi::Number::New(info.Env(), token);
}

// Pages are queried in batches, so that a region of millions of pages does not need an array of millions of pointers.
Napi::Value pageNodes(const Napi::CallbackInfo& info) {
  constexpr std::size_t kBatch = 4096;
  const std::uint64_t address = wholeNumber(info[0], "address");
  const std::uint64_t stride = wholeNumber(info[1], "stride");
  const auto nodes = elements<std::int32_t>(info[2], napi_int32_array, "nodes");
  std::vector<void*> pages;
  for (std::size_t done = 0; done < nodes.size(); done += pages.size()) {
    pages.clear();
    for (std::size_t i = done; i < nodes.size() && pages.size() < kBatch; ++i) {
      pages.push_back(reinterpret_cast<void*>(address + i * stride));  // NOLINT(performance-no-int-to-ptr): only named
    }
    const int error = os::queryPageNodes(pages, {nodes.data() + done, pages.size()});
    if (error != 0) throw os::SystemError("move_pages", error);
  }
  return info.Env().Undefined();
}

}  // namespace

void bindMemory(Napi::Object exports) {
  bind<dropPages>(exports, "dropPages");
  bind<basePageSize>(exports, "basePageSize");
  bind<processToken>(exports, "processToken");
  bind<allocate>(exports, "allocate");
  bind<allocateAsync>(exports, "allocateAsync");
  bind<cancelAllocation>(exports, "cancelAllocation");
  bind<attach>(exports, "attach");
  bind<close>(exports, "close");
  bind<leave>(exports, "leave");
  bind<unmap>(exports, "unmap");
  bind<window>(exports, "window");
  bind<memoryUnderWay>(exports, "memoryUnderWay");
  bind<tableCounts>(exports, "tableCounts");
  bind<pageNodes>(exports, "pageNodes");
}

}  // namespace pinfold::addon
