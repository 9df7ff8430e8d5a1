// Domains, registrations, memory windows and device memory for JavaScript. Each function is declared in
// src/native-verbs.ts.
#include <napi.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "addon/bindings.h"
#include "addon/boundary.h"
#include "addon/environment.h"
#include "addon/register_job.h"
#include "addon/verbs_arguments.h"
#include "verbs/device_memory.h"
#include "verbs/memory_window.h"
#include "verbs/protection_domain.h"
#include "verbs/registration.h"

namespace pinfold::addon {
namespace {

// Reads region, offset and length from argument `first` on.
verbs::RegionRange rangeFrom(const Napi::CallbackInfo& info, std::size_t first, const char* call) {
  return verbs::regionRange(call, wholeNumber(info[first], "region"), wholeNumber(info[first + 1], "offset"),
                            wholeNumber(info[first + 2], "length"));
}

Napi::Value allocateDomain(const Napi::CallbackInfo& info) {
  return number(info.Env(), verbs::ProtectionDomain::allocate(contextOf(info)));
}

Napi::Value freeDomain(const Napi::CallbackInfo& info) {
  contextOf(info).objects().destroy<verbs::ProtectionDomain>("ibv_dealloc_pd", handleOf(info[1], "domain"));
  return info.Env().Undefined();
}

Napi::Value registerRegion(const Napi::CallbackInfo& info) {
  verbs::Context& context = contextOf(info);
  const verbs::Handle domain = handleOf(info[1], "domain");
  const std::optional<std::uint64_t> address = optionalWide(info[5], "address");
  const std::uint32_t access = word(info[6], "access");
  const auto keys = words(info[7], "keys", kKeyWords);
  const verbs::Handle handle =
      verbs::Registration::ofRegion(context, domain, rangeFrom(info, 2, "ibv_reg_mr"), address, access);
  return writeKeys(info.Env(), context, handle, keys);
}

Napi::Value registerAsync(const Napi::CallbackInfo& info) {
  verbs::Context& context = contextOf(info);
  auto& domain = context.objects().get<verbs::ProtectionDomain>("ibv_reg_mr", handleOf(info[1], "domain"));
  const std::optional<std::uint64_t> address = optionalWide(info[5], "address");
  const std::uint32_t access = word(info[6], "access");
  if (!info[7].IsFunction()) throw ArgumentError("settle is no function");
  auto job = std::make_unique<RegisterJob>(Environment::of(info.Env()), context, domain,
                                           rangeFrom(info, 2, "ibv_reg_mr"), address, access);
  (void)Job::start(info.Env(), std::move(job), "pinfold:register", info[7].As<Napi::Function>());
  return info.Env().Undefined();
}

Napi::Value reregister(const Napi::CallbackInfo& info) {
  constexpr const char* kCall = "ibv_rereg_mr";
  verbs::Context& context = contextOf(info);
  const verbs::Handle handle = handleOf(info[1], "registration");
  auto& registration = context.objects().get<verbs::Registration>(kCall, handle);
  verbs::Registration::Change change;
  if (!info[2].IsUndefined()) change.domain = handleOf(info[2], "domain");
  if (!info[3].IsUndefined()) change.range.emplace(rangeFrom(info, 3, kCall));
  if (!info[6].IsUndefined()) change.access = word(info[6], "access");
  const auto keys = words(info[7], "keys", kKeyWords);
  registration.reregister(std::move(change));
  return writeKeys(info.Env(), context, handle, keys);
}

Napi::Value registerImplicit(const Napi::CallbackInfo& info) {
  verbs::Context& context = contextOf(info);
  const auto keys = words(info[3], "keys", kKeyWords);
  return writeKeys(info.Env(), context,
                   verbs::Registration::ofAll(context, handleOf(info[1], "domain"), word(info[2], "access")), keys);
}

Napi::Value cover(const Napi::CallbackInfo& info) {
  verbs::Context& context = contextOf(info);
  const auto keys = words(info[5], "keys", kKeyWords);
  const verbs::Handle implicit = handleOf(info[1], "implicit");
  return writeKeys(info.Env(), context, verbs::Registration::cover(context, implicit, rangeFrom(info, 2, "ibv_reg_mr")),
                   keys);
}

Napi::Value registerNull(const Napi::CallbackInfo& info) {
  verbs::Context& context = contextOf(info);
  const auto keys = words(info[2], "keys", kKeyWords);
  return writeKeys(info.Env(), context, verbs::Registration::ofNothing(context, handleOf(info[1], "domain")), keys);
}

Napi::Value registerDmabuf(const Napi::CallbackInfo& info) {
  verbs::Context& context = contextOf(info);
  const auto keys = words(info[7], "keys", kKeyWords);
  return writeKeys(info.Env(), context,
                   verbs::Registration::ofDmabuf(context, handleOf(info[1], "domain"), integer(info[2], "descriptor"),
                                                 wide(info[3], "offset"), wholeNumber(info[4], "length"),
                                                 wide(info[5], "address"), integer(info[6], "access")),
                   keys);
}

Napi::Value registerDeviceMemory(const Napi::CallbackInfo& info) {
  verbs::Context& context = contextOf(info);
  const auto keys = words(info[6], "keys", kKeyWords);
  return writeKeys(info.Env(), context,
                   verbs::Registration::ofDeviceMemory(context, handleOf(info[1], "domain"),
                                                       handleOf(info[2], "memory"), wholeNumber(info[3], "offset"),
                                                       wholeNumber(info[4], "length"), word(info[5], "access")),
                   keys);
}

Napi::Value deregister(const Napi::CallbackInfo& info) {
  contextOf(info).objects().destroy<verbs::Registration>("ibv_dereg_mr", handleOf(info[1], "registration"));
  return info.Env().Undefined();
}

Napi::Value advise(const Napi::CallbackInfo& info) {
  constexpr std::size_t kRange = 3;  // registration, offset, length
  verbs::Context& context = contextOf(info);
  const auto given = elements<double>(info[4], napi_float64_array, "ranges");
  const std::vector<double> copy(given.begin(), given.end());
  std::vector<verbs::Registration::Advised> ranges;
  const auto whole = [&copy](std::size_t at, double most) {
    if (!(copy[at] >= 0 && copy[at] <= most && std::floor(copy[at]) == copy[at])) {
      throw ArgumentError("ranges contains a value that is no whole number in range");
    }
    return static_cast<std::uint64_t>(copy[at]);
  };
  constexpr double kLargest = static_cast<double>((std::uint64_t{1} << 53U) - 1);
  for (std::size_t i = 0; i + kRange <= copy.size(); i += kRange) {
    const auto registration = static_cast<verbs::Handle>(whole(i, std::numeric_limits<verbs::Handle>::max()));
    ranges.push_back({registration, whole(i + 1, kLargest), whole(i + 2, kLargest)});
  }
  verbs::Registration::advise(context, handleOf(info[1], "domain"), integer(info[2], "advice"), truth(info[3], "flush"),
                              ranges);
  return info.Env().Undefined();
}

Napi::Value allocateDeviceMemory(const Napi::CallbackInfo& info) {
  return number(info.Env(), verbs::DeviceMemory::allocate(contextOf(info), wholeNumber(info[1], "length"),
                                                          word(info[2], "alignment")));
}

Napi::Value freeDeviceMemory(const Napi::CallbackInfo& info) {
  contextOf(info).objects().destroy<verbs::DeviceMemory>("ibv_free_dm", handleOf(info[1], "memory"));
  return info.Env().Undefined();
}

Napi::Value writeDeviceMemory(const Napi::CallbackInfo& info) {
  auto& memory = contextOf(info).objects().get<verbs::DeviceMemory>("ibv_memcpy_to_dm", handleOf(info[1], "memory"));
  memory.write(wholeNumber(info[2], "offset"),
               std::as_bytes(elements<std::uint8_t>(info[3], napi_uint8_array, "bytes")));
  return info.Env().Undefined();
}

Napi::Value readDeviceMemory(const Napi::CallbackInfo& info) {
  auto& memory = contextOf(info).objects().get<verbs::DeviceMemory>("ibv_memcpy_from_dm", handleOf(info[1], "memory"));
  memory.read(wholeNumber(info[2], "offset"),
              std::as_writable_bytes(elements<std::uint8_t>(info[3], napi_uint8_array, "bytes")));
  return info.Env().Undefined();
}

Napi::Value allocateWindow(const Napi::CallbackInfo& info) {
  const auto type = static_cast<ibv_mw_type>(wholeNumber(info[2], "type", 2));
  return number(info.Env(), verbs::MemoryWindow::allocate(contextOf(info), handleOf(info[1], "domain"), type));
}

Napi::Value windowKey(const Napi::CallbackInfo& info) {
  return number(info.Env(),
                contextOf(info).objects().get<verbs::MemoryWindow>("ibv_bind_mw", handleOf(info[1], "window")).rkey());
}

Napi::Value freeWindow(const Napi::CallbackInfo& info) {
  contextOf(info).objects().destroy<verbs::MemoryWindow>("ibv_dealloc_mw", handleOf(info[1], "window"));
  return info.Env().Undefined();
}

}  // namespace

void bindVerbsMemory(Napi::Object exports) {
  bind<allocateDomain>(exports, "allocateDomain");
  bind<freeDomain>(exports, "freeDomain");
  bind<registerRegion>(exports, "register");
  bind<registerAsync>(exports, "registerAsync");
  bind<reregister>(exports, "reregister");
  bind<registerImplicit>(exports, "registerImplicit");
  bind<cover>(exports, "cover");
  bind<registerNull>(exports, "registerNull");
  bind<registerDmabuf>(exports, "registerDmabuf");
  bind<registerDeviceMemory>(exports, "registerDeviceMemory");
  bind<deregister>(exports, "deregister");
  bind<advise>(exports, "advise");
  bind<allocateDeviceMemory>(exports, "allocateDeviceMemory");
  bind<freeDeviceMemory>(exports, "freeDeviceMemory");
  bind<writeDeviceMemory>(exports, "writeDeviceMemory");
  bind<readDeviceMemory>(exports, "readDeviceMemory");
  bind<allocateWindow>(exports, "allocateWindow");
  bind<windowKey>(exports, "windowKey");
  bind<freeWindow>(exports, "freeWindow");
}

}  // namespace pinfold::addon
