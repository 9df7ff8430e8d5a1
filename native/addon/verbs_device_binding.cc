// RDMA devices for JavaScript: list, open, query, events. Each function is declared in src/native-verbs.ts.
#include <endian.h>
#include <napi.h>
#include <net/if.h>

#include <array>
#include <string>
#include <vector>

#include "addon/bindings.h"
#include "addon/boundary.h"
#include "addon/environment.h"
#include "addon/verbs_arguments.h"
#include "addon/verbs_environment.h"
#include "verbs/call.h"
#include "verbs/chosen_library.h"
#include "verbs/context.h"

namespace pinfold::addon {
namespace {

constexpr int kUnknownGidType = 3;  // src/native-verbs.ts

VerbsEnvironment& environmentOf(const Napi::CallbackInfo& info) { return Environment::of(info.Env()).verbs(); }

Napi::Value list(const Napi::CallbackInfo& info) {
  const verbs::Functions functions = verbs::ChosenLibrary::process().functions();
  const std::vector<verbs::Listing> found = verbs::listDevices(*functions);
  Napi::Array devices = Napi::Array::New(info.Env(), found.size());
  if (devices.IsEmpty()) throw CallFailed();
  for (std::uint32_t i = 0; i < found.size(); ++i) {
    Napi::Object device = object(info.Env());
    setText(device, "name", found[i].name);
    setWide(device, "guid", be64toh(found[i].guid));
    set(device, "nodeType", found[i].nodeType);
    set(device, "transport", found[i].transportType);
    (void)devices.Set(i, device);
  }
  return devices;
}

Napi::Value open(const Napi::CallbackInfo& info) {
  if (!info[1].IsFunction()) throw ArgumentError("dispatch is no function");
  return number(info.Env(), environmentOf(info).open(text(info[0], "name"), info[1].As<Napi::Function>()));
}

Napi::Value closeContext(const Napi::CallbackInfo& info) {
  environmentOf(info).close(wholeNumber(info[0], "context"));
  return info.Env().Undefined();
}

Napi::Value keepAlive(const Napi::CallbackInfo& info) {
  environmentOf(info).keepAlive(contextOf(info).number(), truth(info[1], "wanted"));
  return info.Env().Undefined();
}

Napi::Value query(const Napi::CallbackInfo& info) {
  verbs::Context& context = contextOf(info);
  ibv_device_attr_ex attributes{};
  verbs::call("ibv_query_device_ex", context.verbs().queryDevice, context.device(), &attributes);
  const ibv_device_attr& device = attributes.orig_attr;
  Napi::Object found = object(info.Env());
  setText(found, "firmware", std::string(device.fw_ver, ::strnlen(device.fw_ver, sizeof device.fw_ver)));
  setWide(found, "nodeGuid", be64toh(device.node_guid));
  setWide(found, "systemImageGuid", be64toh(device.sys_image_guid));
  set(found, "vendorId", device.vendor_id);
  set(found, "vendorPart", device.vendor_part_id);
  set(found, "hardwareVersion", device.hw_ver);
  set(found, "ports", device.phys_port_cnt);
  setWide(found, "capabilities", attributes.device_cap_flags_ex | device.device_cap_flags);
  set(found, "atomics", device.atomic_cap);
  setWide(found, "maxRegistrationSize", device.max_mr_size);
  setWide(found, "pageSizes", device.page_size_cap);
  set(found, "maxQueuePairs", device.max_qp);
  set(found, "maxRequests", device.max_qp_wr);
  set(found, "maxEntries", device.max_sge);
  set(found, "maxReadEntries", device.max_sge_rd);
  set(found, "maxCompletionQueues", device.max_cq);
  set(found, "maxCompletions", device.max_cqe);
  set(found, "maxRegistrations", device.max_mr);
  set(found, "maxDomains", device.max_pd);
  set(found, "maxWindows", device.max_mw);
  set(found, "maxAddressHandles", device.max_ah);
  set(found, "maxReadsServed", device.max_qp_rd_atom);
  set(found, "maxReadsStarted", device.max_qp_init_rd_atom);
  set(found, "maxSharedReceiveQueues", device.max_srq);
  set(found, "maxSharedRequests", device.max_srq_wr);
  set(found, "maxSharedEntries", device.max_srq_sge);
  set(found, "maxMulticastGroups", device.max_mcast_grp);
  set(found, "maxMulticastQueuePairs", device.max_mcast_qp_attach);
  set(found, "maxPartitionKeys", device.max_pkeys);
  setWide(found, "deviceMemory", attributes.max_dm_size);
  setWide(found, "onDemand", attributes.odp_caps.general_caps);
  set(found, "onDemandRc", attributes.odp_caps.per_transport_caps.rc_odp_caps);
  set(found, "onDemandUc", attributes.odp_caps.per_transport_caps.uc_odp_caps);
  set(found, "onDemandUd", attributes.odp_caps.per_transport_caps.ud_odp_caps);
  setWide(found, "timestampMask", attributes.completion_timestamp_mask);
  setWide(found, "clockKilohertz", attributes.hca_core_clock);
  return found;
}

Napi::Value queryPort(const Napi::CallbackInfo& info) {
  verbs::Context& context = contextOf(info);
  const auto port = static_cast<std::uint8_t>(wholeNumber(info[1], "port", UINT8_MAX));
  ibv_port_attr attributes{};
  verbs::call("ibv_query_port", context.verbs().queryPort, context.device(), port, &attributes);
  Napi::Object found = object(info.Env());
  set(found, "state", attributes.state);
  set(found, "linkLayer", attributes.link_layer);
  set(found, "activeMtu", attributes.active_mtu);
  set(found, "maxMtu", attributes.max_mtu);
  set(found, "maxMessageSize", attributes.max_msg_sz);
  set(found, "gids", attributes.gid_tbl_len);
  set(found, "partitionKeys", attributes.pkey_tbl_len);
  set(found, "lid", attributes.lid);
  set(found, "subnetManagerLid", attributes.sm_lid);
  set(found, "lidMaskControl", attributes.lmc);
  set(found, "capabilityFlags", attributes.port_cap_flags);
  set(found, "activeWidth", attributes.active_width);
  set(found, "activeSpeed", attributes.active_speed);
  set(found, "physicalState", attributes.phys_state);
  return found;
}

// Reads the table entry by entry, for a library without ibv_query_gid_table. An empty entry is all zeros.
std::vector<ibv_gid_entry> gidsOfOldLibrary(verbs::Context& context) {
  std::vector<ibv_gid_entry> entries;
  ibv_device_attr_ex device{};
  verbs::call("ibv_query_device_ex", context.verbs().queryDevice, context.device(), &device);
  for (unsigned number = 1; number <= device.orig_attr.phys_port_cnt; ++number) {
    const auto port = static_cast<std::uint8_t>(number);
    ibv_port_attr attributes{};
    verbs::call("ibv_query_port", context.verbs().queryPort, context.device(), port, &attributes);
    for (int index = 0; index < attributes.gid_tbl_len; ++index) {
      ibv_gid gid{};
      if (context.verbs().queryGid(context.device(), port, index, &gid) != 0) continue;  // no entry there
      if (gid.global.interface_id == 0 && gid.global.subnet_prefix == 0) continue;
      entries.push_back({gid, static_cast<std::uint32_t>(index), port, kUnknownGidType, 0});
    }
  }
  return entries;
}

std::vector<ibv_gid_entry> gidsOf(verbs::Context& context) {
  constexpr std::size_t kFirst = 64;
  constexpr std::size_t kMost = 65536;
  if (!context.verbs().queryGidTable) return gidsOfOldLibrary(context);
  // The library refuses an array that is too short, so a refused query is repeated with a longer one.
  for (std::size_t room = kFirst;; room *= 4) {
    std::vector<ibv_gid_entry> entries(room);
    std::size_t count = 0;
    const int error = context.verbs().queryGidTable(context.device(), entries, &count);
    if (error == 0) return entries.resize(count), entries;
    if (error != EINVAL || room >= kMost) throw os::SystemError("ibv_query_gid_table", error);
  }
}

Napi::Value queryGids(const Napi::CallbackInfo& info) {
  const std::vector<ibv_gid_entry> entries = gidsOf(contextOf(info));
  Napi::Array found = Napi::Array::New(info.Env(), entries.size());
  if (found.IsEmpty()) throw CallFailed();
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    const ibv_gid_entry& entry = entries[i];
    Napi::Object described = object(info.Env());
    set(described, "port", entry.port_num);
    set(described, "index", entry.gid_index);
    set(described, "type", entry.gid_type);
    setWide(described, "high", be64toh(entry.gid.global.subnet_prefix));
    setWide(described, "low", be64toh(entry.gid.global.interface_id));
    std::array<char, IF_NAMESIZE> name{};
    const bool isNamed = entry.ndev_ifindex != 0 && ::if_indextoname(entry.ndev_ifindex, name.data()) != nullptr;
    setText(described, "interface", isNamed ? name.data() : "");
    (void)found.Set(i, described);
  }
  return found;
}

Napi::Value queryPartitionKey(const Napi::CallbackInfo& info) {
  verbs::Context& context = contextOf(info);
  const auto port = static_cast<std::uint8_t>(wholeNumber(info[1], "port", UINT8_MAX));
  std::uint16_t key = 0;
  verbs::call("ibv_query_pkey", context.verbs().queryPkey, context.device(), port,
              static_cast<int>(wholeNumber(info[2], "index", UINT16_MAX)), &key);
  return number(info.Env(), key);
}

// Returns -1 when the library is too old to tell.
Napi::Value forkStatus(const Napi::CallbackInfo& info) {
  const verbs::Functions functions = verbs::ChosenLibrary::process().functions();
  int status = -1;
  if (functions->isForkInitialized) verbs::call("ibv_is_fork_initialized", functions->isForkInitialized, &status);
  return Napi::Number::New(info.Env(), status);
}

}  // namespace

void bindVerbsDevices(Napi::Object exports) {
  bind<list>(exports, "list");
  bind<open>(exports, "open");
  bind<closeContext>(exports, "close");
  bind<keepAlive>(exports, "keepAlive");
  bind<query>(exports, "query");
  bind<queryPort>(exports, "queryPort");
  bind<queryGids>(exports, "queryGids");
  bind<queryPartitionKey>(exports, "queryPartitionKey");
  bind<forkStatus>(exports, "forkStatus");
}

}  // namespace pinfold::addon
