#include "verbs/queue_pair.h"

#include "verbs/memory_window.h"

namespace pinfold::verbs {
namespace {

ibv_qp* created(Context& context, const QueuePair::Parents& parents, const QueuePairRequest& request, void* kept,
                ibv_qp_cap& capacity) {
  ibv_qp_init_attr attributes{};
  attributes.qp_context = kept;
  attributes.send_cq = parents.sends.get();
  attributes.recv_cq = parents.receives.get();
  attributes.srq = parents.shared == nullptr ? nullptr : parents.shared->get();
  attributes.cap = request.capacity;
  attributes.qp_type = request.type;
  attributes.sq_sig_all = request.signalAll ? 1 : 0;
  ibv_qp* const made = make("ibv_create_qp", context.verbs().createQp, parents.domain.get(), &attributes);
  capacity = attributes.cap;
  return made;
}

}  // namespace

QueuePair::QueuePair(Context& context, const Parents& parents, const QueuePairRequest& request, void* kept)
    : Object(kKind, {&parents.domain, &parents.sends, &parents.receives, parents.shared}),
      context_(context),
      type_(request.type),
      capacity_(request.capacity),
      made_(created(context, parents, request, kept, capacity_)),
      sends_(type_, capacity_),
      receives_(capacity_.max_recv_sge) {
  if (type_ == IBV_QPT_UD) context_.addDatagramPair(number());
}

void QueuePair::destroy() {
  const std::uint32_t gone = number();  // read before the object is destroyed
  (void)context_.end("ibv_destroy_qp", context_.verbs().destroyQp, made_);
  context_.dropDatagramPair(gone);
}

Handle QueuePair::create(Context& context, const QueuePairRequest& request) {
  constexpr const char* kCall = "ibv_create_qp";
  const ObjectTable& objects = context.objects();
  const Parents parents{
      objects.get<ProtectionDomain>(kCall, request.domain), objects.get<CompletionQueue>(kCall, request.sendQueue),
      objects.get<CompletionQueue>(kCall, request.receiveQueue),
      request.sharedReceiveQueue == 0 ? nullptr : &objects.get<SharedReceiveQueue>(kCall, request.sharedReceiveQueue)};
  ObjectTable::Place place(context.objects());
  return place.put(std::make_unique<QueuePair>(context, parents, request, place.asContext()));
}

void QueuePair::modify(ibv_qp_attr attributes, int mask) {
  call("ibv_modify_qp", context_.verbs().modifyQp, made_, &attributes, mask);
}

ibv_qp_attr QueuePair::query(ibv_qp_cap& capacity) {
  constexpr int kAll = IBV_QP_STATE | IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY | IBV_QP_AV |
                       IBV_QP_PATH_MTU | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_RQ_PSN |
                       IBV_QP_MAX_QP_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER | IBV_QP_SQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
                       IBV_QP_CAP | IBV_QP_DEST_QPN;
  ibv_qp_attr attributes{};
  ibv_qp_init_attr initial{};
  call("ibv_query_qp", context_.verbs().queryQp, made_, &attributes, kAll, &initial);
  capacity = initial.cap;
  return attributes;
}

void QueuePair::attach(const ibv_gid& group, std::uint16_t lid) {
  call("ibv_attach_mcast", context_.verbs().attachMcast, made_, &group, lid);
}

void QueuePair::detach(const ibv_gid& group, std::uint16_t lid) {
  call("ibv_detach_mcast", context_.verbs().detachMcast, made_, &group, lid);
}

void QueuePair::postSend(std::span<const std::uint32_t> words, std::size_t stride, std::size_t count) {
  sends_.post(context_.objects(), words, stride, count, context_.verbs(), made_);
}

void QueuePair::postReceive(std::span<const std::uint32_t> words, std::size_t stride, std::size_t count) {
  receives_.post(
      "ibv_post_recv", context_.objects(), words, stride, count,
      [this](ibv_recv_wr* first, ibv_recv_wr** bad) { return context_.verbs().postRecv(made_, first, bad); });
}

}  // namespace pinfold::verbs
