// Connections by address for JavaScript. Each function is declared in src/native-connections.ts.
#include <napi.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "addon/bindings.h"
#include "addon/boundary.h"
#include "addon/environment.h"
#include "addon/verbs_arguments.h"
#include "addon/verbs_environment.h"
#include "connections/address.h"
#include "connections/channel.h"
#include "verbs/attribute_words.h"

namespace pinfold::addon {
namespace {

using connections::Arrival;
using connections::Channel;
using connections::Endpoint;

// The words of a peer's or our own parameters: src/native-connections.ts, parameterWord.
enum ParameterWord : std::uint8_t {
  kQueuePairNumber,
  kResponderResources,
  kInitiatorDepth,
  kRetryCount,
  kRnrRetryCount,
  kSharedReceives,
  kParameterWords,
};

constexpr std::size_t kMostPrivateData = 255;

Channel& channelOf(const Napi::CallbackInfo& info) { return Environment::of(info.Env()).verbs().connections(); }

std::uint64_t idNumber(const Napi::CallbackInfo& info) { return wholeNumber(info[0], "id"); }

// Calls a function of the library for the id of a call.
template <typename... Parameters, typename... Arguments>
Napi::Value callId(const Napi::CallbackInfo& info, const char* name,
                   const std::function<int(rdma_cm_id*, Parameters...)> connections::FunctionTable::*function,
                   Arguments... arguments) {
  Channel& channel = channelOf(info);
  const int error = (channel.functions().*function)(channel.id(idNumber(info)), arguments...);
  if (error != 0) throw os::SystemError(name, error);
  return info.Env().Undefined();
}

std::uint16_t portOf(const Napi::Value& value) {
  return static_cast<std::uint16_t>(wholeNumber(value, "port", UINT16_MAX));
}

// An address of a call. Undefined stands for none.
std::optional<sockaddr_storage> socketAddressOf(const Napi::Value& address, std::uint16_t port = 0) {
  if (address.IsEmpty() || address.IsUndefined()) return std::nullopt;
  return connections::socketAddress({text(address, "address"), port});
}

sockaddr* pointerTo(std::optional<sockaddr_storage>& address) {
  return address ? reinterpret_cast<sockaddr*>(&*address) : nullptr;
}

// A copy of private data, since another thread may write to the caller's bytes.
class PrivateData {
 public:
  explicit PrivateData(const Napi::Value& value) {
    const auto given = elements<std::uint8_t>(value, napi_uint8_array, "privateData");
    if (given.size() > kMostPrivateData) throw ArgumentError("privateData is too long");
    size_ = given.size();
    std::ranges::copy(given, bytes_.begin());
  }
  std::span<const std::uint8_t> bytes() const noexcept { return {bytes_.data(), size_}; }

 private:
  std::array<std::uint8_t, kMostPrivateData> bytes_{};
  std::size_t size_ = 0;
};

rdma_conn_param parametersOf(const Napi::Value& value, const PrivateData& data) {
  const auto given = words(value, "parameters", kParameterWords);
  rdma_conn_param parameters{};
  parameters.qp_num = given[kQueuePairNumber];
  parameters.responder_resources = static_cast<std::uint8_t>(given[kResponderResources]);
  parameters.initiator_depth = static_cast<std::uint8_t>(given[kInitiatorDepth]);
  parameters.retry_count = static_cast<std::uint8_t>(given[kRetryCount]);
  parameters.rnr_retry_count = static_cast<std::uint8_t>(given[kRnrRetryCount]);
  parameters.srq = static_cast<std::uint8_t>(given[kSharedReceives]);
  parameters.private_data = data.bytes().data();
  parameters.private_data_len = static_cast<std::uint8_t>(data.bytes().size());
  return parameters;
}

Napi::Value createId(const Napi::CallbackInfo& info) {
  return number(info.Env(), channelOf(info).create(truth(info[0], "datagrams") ? RDMA_PS_UDP : RDMA_PS_TCP));
}

Napi::Value destroyId(const Napi::CallbackInfo& info) {
  channelOf(info).destroy(idNumber(info));
  return info.Env().Undefined();
}

Napi::Value bindAddress(const Napi::CallbackInfo& info) {
  auto address = socketAddressOf(info[1], portOf(info[2]));
  return callId(info, "rdma_bind_addr", &connections::FunctionTable::bindAddr, pointerTo(address));
}

Napi::Value resolveAddress(const Napi::CallbackInfo& info) {
  auto source = socketAddressOf(info[1]);
  auto destination = socketAddressOf(info[2], portOf(info[3]));
  return callId(info, "rdma_resolve_addr", &connections::FunctionTable::resolveAddr, pointerTo(source),
                pointerTo(destination), integer(info[4], "milliseconds"));
}

Napi::Value resolveRoute(const Napi::CallbackInfo& info) {
  return callId(info, "rdma_resolve_route", &connections::FunctionTable::resolveRoute,
                integer(info[1], "milliseconds"));
}

Napi::Value listen(const Napi::CallbackInfo& info) {
  return callId(info, "rdma_listen", &connections::FunctionTable::listen, integer(info[1], "backlog"));
}

Napi::Value connect(const Napi::CallbackInfo& info) {
  const PrivateData data(info[2]);
  rdma_conn_param parameters = parametersOf(info[1], data);
  return callId(info, "rdma_connect", &connections::FunctionTable::connect, &parameters);
}

Napi::Value accept(const Napi::CallbackInfo& info) {
  const PrivateData data(info[2]);
  rdma_conn_param parameters = parametersOf(info[1], data);
  return callId(info, "rdma_accept", &connections::FunctionTable::accept, &parameters);
}

Napi::Value reject(const Napi::CallbackInfo& info) {
  const PrivateData data(info[1]);
  return callId(info, "rdma_reject", &connections::FunctionTable::reject, data.bytes());
}

Napi::Value establish(const Napi::CallbackInfo& info) {
  return callId(info, "rdma_establish", &connections::FunctionTable::establish);
}

Napi::Value disconnect(const Napi::CallbackInfo& info) {
  return callId(info, "rdma_disconnect", &connections::FunctionTable::disconnect);
}

Napi::Value setAckTimeout(const Napi::CallbackInfo& info) {
  constexpr std::uint64_t kMost = 31;
  auto timeout = static_cast<std::uint8_t>(wholeNumber(info[1], "timeout", kMost));
  void* const value = &timeout;
  return callId(info, "rdma_set_option", &connections::FunctionTable::setOption, static_cast<int>(RDMA_OPTION_ID),
                static_cast<int>(RDMA_OPTION_ID_ACK_TIMEOUT), value, sizeof timeout);
}

Napi::Value joinMulticast(const Napi::CallbackInfo& info) {
  auto group = socketAddressOf(info[1]);
  return callId(info, "rdma_join_multicast", &connections::FunctionTable::joinMulticast, pointerTo(group));
}

Napi::Value leaveMulticast(const Napi::CallbackInfo& info) {
  auto group = socketAddressOf(info[1]);
  return callId(info, "rdma_leave_multicast", &connections::FunctionTable::leaveMulticast, pointerTo(group));
}

// Writes the attributes for a change to `state`, with their mask.
Napi::Value attributes(const Napi::CallbackInfo& info) {
  ibv_qp_attr found{};
  found.qp_state = static_cast<ibv_qp_state>(integer(info[1], "state"));
  const auto into = words(info[2], "attributes", verbs::kAttributeWords);
  int mask = 0;
  (void)callId(info, "rdma_init_qp_attr", &connections::FunctionTable::initQpAttr, &found, &mask);
  verbs::writeAttributes(found, {}, into.first<verbs::kAttributeWords>());
  into[0] = static_cast<std::uint32_t>(mask);
  return info.Env().Undefined();
}

void setEndpoint(Napi::Object& object, const char* name, const Endpoint& endpoint) {
  Napi::Object made = addon::object(object.Env());
  setText(made, "address", endpoint.address);
  set(made, "port", endpoint.port);
  (void)object.Set(name, made);
}

Napi::Value describe(const Napi::CallbackInfo& info) {
  const connections::Description found = channelOf(info).describe(idNumber(info));
  Napi::Object described = object(info.Env());
  setText(described, "device", found.device);
  set(described, "port", found.port);
  setEndpoint(described, "local", found.local);
  setEndpoint(described, "peer", found.peer);
  return described;
}

Napi::Value bytesOf(Napi::Env env, std::span<const std::uint8_t> bytes) {
  Napi::Uint8Array made = Napi::Uint8Array::New(env, bytes.size());
  if (made.IsEmpty()) throw CallFailed();
  std::ranges::copy(bytes, made.Data());
  return made;
}

Napi::Uint32Array wordsFor(Napi::Env env, std::size_t count) {
  Napi::Uint32Array made = Napi::Uint32Array::New(env, count);
  if (made.IsEmpty()) throw CallFailed();
  return made;
}

void setConnectionPeer(Napi::Object& object, const rdma_conn_param& peer) {
  Napi::Uint32Array made = wordsFor(object.Env(), kParameterWords);
  made[kQueuePairNumber] = peer.qp_num;
  made[kResponderResources] = peer.responder_resources;
  made[kInitiatorDepth] = peer.initiator_depth;
  made[kRetryCount] = peer.retry_count;
  made[kRnrRetryCount] = peer.rnr_retry_count;
  made[kSharedReceives] = peer.srq;
  (void)object.Set("parameters", made);
}

// The path to a datagram peer, as the attributes of a queue pair with nothing else.
void setDatagramPeer(Napi::Object& object, const rdma_ud_param& peer) {
  Napi::Uint32Array made = wordsFor(object.Env(), verbs::kAttributeWords);
  ibv_qp_attr path{};
  path.ah_attr = peer.ah_attr;
  path.dest_qp_num = peer.qp_num;
  path.qkey = peer.qkey;
  verbs::writeAttributes(path, {}, std::span<std::uint32_t, verbs::kAttributeWords>(made.Data(), made.ElementLength()));
  (void)object.Set("datagramPeer", made);
}

Napi::Value take(const Napi::CallbackInfo& info) {
  const std::vector<Arrival> arrivals = channelOf(info).take();
  Napi::Array taken = Napi::Array::New(info.Env(), arrivals.size());
  if (taken.IsEmpty()) throw CallFailed();
  for (std::uint32_t i = 0; i < arrivals.size(); ++i) {
    const Arrival& arrival = arrivals[i];
    Napi::Object event = object(info.Env());
    set(event, "id", static_cast<double>(arrival.id));
    set(event, "request", static_cast<double>(arrival.request));
    set(event, "type", arrival.type);
    set(event, "status", arrival.status);
    (void)event.Set("privateData", bytesOf(info.Env(), arrival.privateData));
    if (arrival.isDatagram) {
      setDatagramPeer(event, arrival.datagram);
    } else {
      setConnectionPeer(event, arrival.connection);
    }
    (void)taken.Set(i, event);
  }
  return taken;
}

}  // namespace

void bindConnections(Napi::Object exports) {
  Napi::Object functions = Napi::Object::New(exports.Env());
  if (functions.IsEmpty()) return;  // the thread is ending
  bind<createId>(functions, "createId");
  bind<destroyId>(functions, "destroyId");
  bind<bindAddress>(functions, "bindAddress");
  bind<resolveAddress>(functions, "resolveAddress");
  bind<resolveRoute>(functions, "resolveRoute");
  bind<listen>(functions, "listen");
  bind<connect>(functions, "connect");
  bind<accept>(functions, "accept");
  bind<reject>(functions, "reject");
  bind<establish>(functions, "establish");
  bind<disconnect>(functions, "disconnect");
  bind<setAckTimeout>(functions, "setAckTimeout");
  bind<joinMulticast>(functions, "joinMulticast");
  bind<leaveMulticast>(functions, "leaveMulticast");
  bind<attributes>(functions, "attributes");
  bind<describe>(functions, "describe");
  bind<take>(functions, "take");
  (void)exports.Set("connections", functions);
}

}  // namespace pinfold::addon
