// Queues, queue pairs and their requests, for JavaScript. Each function is declared in src/native-verbs.ts.
#include <napi.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>

#include "addon/bindings.h"
#include "addon/boundary.h"
#include "addon/verbs_arguments.h"
#include "verbs/address_handle.h"
#include "verbs/attribute_words.h"
#include "verbs/completion_channel.h"
#include "verbs/completion_queue.h"
#include "verbs/queue_pair.h"
#include "verbs/shared_receive_queue.h"

namespace pinfold::addon {
namespace {

using verbs::CompletionChannel;
using verbs::CompletionQueue;
using verbs::QueuePair;
using verbs::SharedReceiveQueue;

CompletionQueue& queueOf(const Napi::CallbackInfo& info, const char* call) {
  return contextOf(info).objects().get<CompletionQueue>(call, handleOf(info[1], "queue"));
}

SharedReceiveQueue& sharedOf(const Napi::CallbackInfo& info, const char* call) {
  return contextOf(info).objects().get<SharedReceiveQueue>(call, handleOf(info[1], "queue"));
}

QueuePair& pairOf(const Napi::CallbackInfo& info, const char* call) {
  return contextOf(info).objects().get<QueuePair>(call, handleOf(info[1], "queuePair"));
}

// Copies words of JavaScript, since another thread may write to them.
template <std::size_t size>
std::array<std::uint32_t, size> copyOf(const Napi::Value& value, const char* name) {
  std::array<std::uint32_t, size> copy{};
  std::memcpy(copy.data(), words(value, name, size).data(), sizeof copy);
  return copy;
}

Napi::Value createChannel(const Napi::CallbackInfo& info) {
  return number(info.Env(), CompletionChannel::create(contextOf(info)));
}

Napi::Value destroyChannel(const Napi::CallbackInfo& info) {
  contextOf(info).objects().destroy<CompletionChannel>("ibv_destroy_comp_channel", handleOf(info[1], "channel"));
  return info.Env().Undefined();
}

Napi::Value createCompletionQueue(const Napi::CallbackInfo& info) {
  return number(info.Env(), CompletionQueue::create(contextOf(info), {.entries = integer(info[1], "entries"),
                                                                      .channel = handleOf(info[2], "channel"),
                                                                      .vector = integer(info[3], "vector"),
                                                                      .extended = truth(info[4], "extended"),
                                                                      .timestamps = truth(info[5], "timestamps")}));
}

Napi::Value completionQueueEntries(const Napi::CallbackInfo& info) {
  return number(info.Env(), static_cast<std::uint64_t>(queueOf(info, "ibv_create_cq").entries()));
}

Napi::Value resizeCompletionQueue(const Napi::CallbackInfo& info) {
  queueOf(info, "ibv_resize_cq").resize(integer(info[2], "entries"));
  return info.Env().Undefined();
}

Napi::Value moderateCompletionQueue(const Napi::CallbackInfo& info) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint16_t>::max();
  queueOf(info, "ibv_modify_cq")
      .moderate(static_cast<std::uint16_t>(wholeNumber(info[2], "count", kMost)),
                static_cast<std::uint16_t>(wholeNumber(info[3], "microseconds", kMost)));
  return info.Env().Undefined();
}

Napi::Value requestNotification(const Napi::CallbackInfo& info) {
  queueOf(info, "ibv_req_notify_cq").requestNotification(truth(info[2], "solicitedOnly"));
  return info.Env().Undefined();
}

Napi::Value poll(const Napi::CallbackInfo& info) {
  CompletionQueue& queue = queueOf(info, "ibv_poll_cq");
  return number(info.Env(), queue.poll(wordsOfBuffer(info[2], "words"), wholeNumber(info[3], "most", 65536)));
}

Napi::Value destroyCompletionQueue(const Napi::CallbackInfo& info) {
  contextOf(info).objects().destroy<CompletionQueue>("ibv_destroy_cq", handleOf(info[1], "queue"));
  return info.Env().Undefined();
}

Napi::Value createSharedReceiveQueue(const Napi::CallbackInfo& info) {
  constexpr std::size_t kCapacity = 3;  // requests, entries, limit; the first two become the granted values
  const auto capacity = words(info[2], "capacity", kCapacity);
  ibv_srq_attr attributes{capacity[0], capacity[1], capacity[2]};
  const verbs::Handle handle = SharedReceiveQueue::create(contextOf(info), handleOf(info[1], "domain"), attributes);
  capacity[0] = attributes.max_wr;
  capacity[1] = attributes.max_sge;
  return number(info.Env(), handle);
}

Napi::Value modifySharedReceiveQueue(const Napi::CallbackInfo& info) {
  ibv_srq_attr attributes{};
  int mask = 0;
  if (!info[2].IsUndefined()) {
    attributes.max_wr = word(info[2], "requests");
    mask |= IBV_SRQ_MAX_WR;
  }
  if (!info[3].IsUndefined()) {
    attributes.srq_limit = word(info[3], "limit");
    mask |= IBV_SRQ_LIMIT;
  }
  sharedOf(info, "ibv_modify_srq").modify(attributes, mask);
  return info.Env().Undefined();
}

Napi::Value querySharedReceiveQueue(const Napi::CallbackInfo& info) {
  const auto capacity = words(info[2], "capacity", 3);
  const ibv_srq_attr attributes = sharedOf(info, "ibv_query_srq").query();
  capacity[0] = attributes.max_wr;
  capacity[1] = attributes.max_sge;
  capacity[2] = attributes.srq_limit;
  return info.Env().Undefined();
}

Napi::Value destroySharedReceiveQueue(const Napi::CallbackInfo& info) {
  contextOf(info).objects().destroy<SharedReceiveQueue>("ibv_destroy_srq", handleOf(info[1], "queue"));
  return info.Env().Undefined();
}

Napi::Value postSharedReceive(const Napi::CallbackInfo& info) {
  sharedOf(info, "ibv_post_srq_recv")
      .postReceive(wordsOfBuffer(info[2], "words"), word(info[3], "stride"), word(info[4], "count"));
  return info.Env().Undefined();
}

// Words of the request for a queue pair: src/rdma/verbs/attribute-words.ts.
namespace queue_pair_word {
constexpr std::size_t kType = 0;
constexpr std::size_t kDomain = 1;
constexpr std::size_t kSendQueue = 2;
constexpr std::size_t kReceiveQueue = 3;
constexpr std::size_t kSharedReceiveQueue = 4;
constexpr std::size_t kSendRequests = 5;
constexpr std::size_t kReceiveRequests = 6;
constexpr std::size_t kSendEntries = 7;
constexpr std::size_t kReceiveEntries = 8;
constexpr std::size_t kInlineBytes = 9;
constexpr std::size_t kSignalAll = 10;
constexpr std::size_t kNumber = 11;
}  // namespace queue_pair_word
constexpr std::size_t kQueuePairWords = 12;

// Writes the granted capacity and the number of the queue pair into the words of the request.
Napi::Value createQueuePair(const Napi::CallbackInfo& info) {
  namespace at = queue_pair_word;
  const auto given = words(info[1], "request", kQueuePairWords);
  const auto request = copyOf<kQueuePairWords>(info[1], "request");
  const std::uint32_t type = request[at::kType];
  if (type != IBV_QPT_RC && type != IBV_QPT_UC && type != IBV_QPT_UD) {
    throw ArgumentError("type is no type of queue pair");
  }
  verbs::Context& context = contextOf(info);
  const verbs::Handle handle = QueuePair::create(
      context, {.type = static_cast<ibv_qp_type>(type),
                .domain = request[at::kDomain],
                .sendQueue = request[at::kSendQueue],
                .receiveQueue = request[at::kReceiveQueue],
                .sharedReceiveQueue = request[at::kSharedReceiveQueue],
                .capacity = {request[at::kSendRequests], request[at::kReceiveRequests], request[at::kSendEntries],
                             request[at::kReceiveEntries], request[at::kInlineBytes]},
                .signalAll = request[at::kSignalAll] != 0});
  const auto& made = *context.objects().find<QueuePair>(handle);
  const ibv_qp_cap& capacity = made.capacity();
  given[at::kSendRequests] = capacity.max_send_wr;
  given[at::kReceiveRequests] = capacity.max_recv_wr;
  given[at::kSendEntries] = capacity.max_send_sge;
  given[at::kReceiveEntries] = capacity.max_recv_sge;
  given[at::kInlineBytes] = capacity.max_inline_data;
  given[at::kNumber] = made.number();
  return number(info.Env(), handle);
}

Napi::Value modifyQueuePair(const Napi::CallbackInfo& info) {
  const auto copy = copyOf<verbs::kAttributeWords>(info[2], "attributes");
  int mask = 0;
  const ibv_qp_attr attributes = verbs::attributesOf(copy, mask);
  pairOf(info, "ibv_modify_qp").modify(attributes, mask);
  return info.Env().Undefined();
}

Napi::Value queryQueuePair(const Napi::CallbackInfo& info) {
  const auto into = words(info[2], "attributes", verbs::kAttributeWords);
  ibv_qp_cap capacity{};
  const ibv_qp_attr attributes = pairOf(info, "ibv_query_qp").query(capacity);
  verbs::writeAttributes(attributes, capacity, into.first<verbs::kAttributeWords>());
  return info.Env().Undefined();
}

Napi::Value destroyQueuePair(const Napi::CallbackInfo& info) {
  contextOf(info).objects().destroy<QueuePair>("ibv_destroy_qp", handleOf(info[1], "queuePair"));
  return info.Env().Undefined();
}

Napi::Value postSend(const Napi::CallbackInfo& info) {
  pairOf(info, "ibv_post_send")
      .postSend(wordsOfBuffer(info[2], "words"), word(info[3], "stride"), word(info[4], "count"));
  return {};  // the same as undefined, without a call of Node-API
}

Napi::Value postReceive(const Napi::CallbackInfo& info) {
  pairOf(info, "ibv_post_recv")
      .postReceive(wordsOfBuffer(info[2], "words"), word(info[3], "stride"), word(info[4], "count"));
  return info.Env().Undefined();
}

Napi::Value attachMulticast(const Napi::CallbackInfo& info) {
  const ibv_ah_attr path = verbs::pathOf(copyOf<verbs::kPathWords>(info[2], "group"));
  pairOf(info, "ibv_attach_mcast").attach(path.grh.dgid, path.dlid);
  return info.Env().Undefined();
}

Napi::Value detachMulticast(const Napi::CallbackInfo& info) {
  const ibv_ah_attr path = verbs::pathOf(copyOf<verbs::kPathWords>(info[2], "group"));
  pairOf(info, "ibv_detach_mcast").detach(path.grh.dgid, path.dlid);
  return info.Env().Undefined();
}

Napi::Value createAddressHandle(const Napi::CallbackInfo& info) {
  const ibv_ah_attr path = verbs::pathOf(copyOf<verbs::kPathWords>(info[2], "path"));
  return number(info.Env(), verbs::AddressHandle::create(contextOf(info), handleOf(info[1], "domain"), path));
}

Napi::Value destroyAddressHandle(const Napi::CallbackInfo& info) {
  contextOf(info).objects().destroy<verbs::AddressHandle>("ibv_destroy_ah", handleOf(info[1], "handle"));
  return info.Env().Undefined();
}

}  // namespace

void bindVerbsQueues(Napi::Object exports) {
  bind<createChannel>(exports, "createChannel");
  bind<destroyChannel>(exports, "destroyChannel");
  bind<createCompletionQueue>(exports, "createCompletionQueue");
  bind<completionQueueEntries>(exports, "completionQueueEntries");
  bind<resizeCompletionQueue>(exports, "resizeCompletionQueue");
  bind<moderateCompletionQueue>(exports, "moderateCompletionQueue");
  bind<requestNotification>(exports, "requestNotification");
  bind<poll>(exports, "poll");
  bind<destroyCompletionQueue>(exports, "destroyCompletionQueue");
  bind<createSharedReceiveQueue>(exports, "createSharedReceiveQueue");
  bind<modifySharedReceiveQueue>(exports, "modifySharedReceiveQueue");
  bind<querySharedReceiveQueue>(exports, "querySharedReceiveQueue");
  bind<destroySharedReceiveQueue>(exports, "destroySharedReceiveQueue");
  bind<postSharedReceive>(exports, "postSharedReceive");
  bind<createQueuePair>(exports, "createQueuePair");
  bind<modifyQueuePair>(exports, "modifyQueuePair");
  bind<queryQueuePair>(exports, "queryQueuePair");
  bind<destroyQueuePair>(exports, "destroyQueuePair");
  bind<postSend>(exports, "postSend");
  bind<postReceive>(exports, "postReceive");
  bind<attachMulticast>(exports, "attachMulticast");
  bind<detachMulticast>(exports, "detachMulticast");
  bind<createAddressHandle>(exports, "createAddressHandle");
  bind<destroyAddressHandle>(exports, "destroyAddressHandle");
}

}  // namespace pinfold::addon
