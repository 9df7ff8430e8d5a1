#include <algorithm>

#include "verbs/no_op_device.h"
#include "verbs/no_op_objects.h"
#include "verbs/no_op_requests.h"

namespace pinfold::verbs {

using namespace no_op;

namespace {

constexpr int kMostEntries = 65536;
constexpr std::uint32_t kMostInline = 256;
constexpr std::uint32_t kMostScatter = 32;

Queue* created(ibv_context* context, ibv_comp_channel* channel, int entries, void* kept) {
  if (entries < 1 || entries > kMostEntries) return errno = EINVAL, nullptr;
  auto* const made = opened(context)->make<Queue>(static_cast<Channel*>(channel));
  made->cqe = entries;
  made->cq_context = kept;
  return made;
}

void change(ibv_qp_attr& own, const ibv_qp_attr& to, int mask) {
  if ((mask & IBV_QP_STATE) != 0) own.qp_state = to.qp_state;
  if ((mask & IBV_QP_ACCESS_FLAGS) != 0) own.qp_access_flags = to.qp_access_flags;
  if ((mask & IBV_QP_PORT) != 0) own.port_num = to.port_num;
  if ((mask & IBV_QP_QKEY) != 0) own.qkey = to.qkey;
  if ((mask & IBV_QP_AV) != 0) own.ah_attr = to.ah_attr;
  if ((mask & IBV_QP_PATH_MTU) != 0) own.path_mtu = to.path_mtu;
  if ((mask & IBV_QP_TIMEOUT) != 0) own.timeout = to.timeout;
  if ((mask & IBV_QP_RETRY_CNT) != 0) own.retry_cnt = to.retry_cnt;
  if ((mask & IBV_QP_RNR_RETRY) != 0) own.rnr_retry = to.rnr_retry;
  if ((mask & IBV_QP_RQ_PSN) != 0) own.rq_psn = to.rq_psn;
  if ((mask & IBV_QP_SQ_PSN) != 0) own.sq_psn = to.sq_psn;
  if ((mask & IBV_QP_MAX_QP_RD_ATOMIC) != 0) own.max_rd_atomic = to.max_rd_atomic;
  if ((mask & IBV_QP_MAX_DEST_RD_ATOMIC) != 0) own.max_dest_rd_atomic = to.max_dest_rd_atomic;
  if ((mask & IBV_QP_MIN_RNR_TIMER) != 0) own.min_rnr_timer = to.min_rnr_timer;
  if ((mask & IBV_QP_DEST_QPN) != 0) own.dest_qp_num = to.dest_qp_num;
}

}  // namespace

void NoOpDevice::addQueues() {
  const auto locked = [world = world_](auto function) { return underLock(world, function); };
  table_.createCompChannel =
      locked([](ibv_context* context) -> ibv_comp_channel* { return opened(context)->make<Channel>(); });
  table_.destroyCompChannel = locked(
      [](ibv_comp_channel* channel) { return opened(channel->context)->destroy(static_cast<Channel*>(channel)); });
  table_.createCq =
      locked([](ibv_context* context, int entries, void* kept, ibv_comp_channel* channel, int) -> ibv_cq* {
        Queue* const made = created(context, channel, entries, kept);
        return made == nullptr ? nullptr : made->asQueue();
      });
  table_.createCqEx = locked([](ibv_context* context, ibv_cq_init_attr_ex* attributes) -> ibv_cq_ex* {
    return created(context, attributes->channel, static_cast<int>(attributes->cqe), attributes->cq_context);
  });
  table_.modifyCq = locked([](ibv_cq* queue, ibv_modify_cq_attr* attributes) {
    if (attributes->attr_mask != IBV_CQ_ATTR_MODERATE) return EINVAL;
    return Queue::of(queue)->moderation = attributes->moderate, 0;
  });
  table_.resizeCq = locked([](ibv_cq* queue, int entries) {
    if (entries < 1 || entries > kMostEntries) return EINVAL;
    return queue->cqe = entries, 0;
  });
  table_.reqNotifyCq = locked([](ibv_cq* queue, int) { return Queue::of(queue)->armed = true, 0; });
  table_.getCqEvent = locked([](ibv_comp_channel* channel, ibv_cq** queue, void** kept) {
    auto& own = *static_cast<Channel*>(channel);
    own.signal.lower();
    if (own.events.empty()) return EAGAIN;
    *queue = own.events.front()->asQueue();
    *kept = (*queue)->cq_context;
    own.events.pop_front();
    return 0;
  });
  table_.ackCqEvents = [](ibv_cq*, unsigned) { return 0; };
  table_.pollCq = locked([](ibv_cq* queue, std::span<Completion> into, std::size_t* count) {
    (void)take(*Queue::of(queue), into, count);
    for (Completion& completion : into.first(*count)) completion.timestamp = 0;
    return 0;
  });
  table_.pollCqEx = locked([](ibv_cq_ex* queue, bool, std::span<Completion> into, std::size_t* count) {
    return take(*static_cast<Queue*>(queue), into, count);
  });
  table_.destroyCq = locked([](ibv_cq* queue) {
    Queue* const own = Queue::of(queue);
    if (own->users > 0) return EBUSY;
    if (own->events != nullptr) std::erase(own->events->events, own);
    std::erase_if(opened(queue->context)->events, [queue](const ibv_async_event& event) {
      return event.event_type == IBV_EVENT_CQ_ERR && event.element.cq == queue;
    });
    return opened(queue->context)->destroy(own);
  });
  table_.createSrq = locked([](ibv_pd* domain, ibv_srq_init_attr* attributes) -> ibv_srq* {
    auto* const made = opened(domain->context)->make<Shared>(static_cast<Domain*>(domain));
    made->srq_context = attributes->srq_context;
    made->capacity = attributes->attr;
    return made;
  });
  table_.modifySrq = locked([](ibv_srq* queue, ibv_srq_attr* attributes, int mask) {
    auto& own = *static_cast<Shared*>(queue);
    if ((mask & IBV_SRQ_MAX_WR) != 0) own.capacity.max_wr = attributes->max_wr;
    if ((mask & IBV_SRQ_LIMIT) != 0) own.capacity.srq_limit = attributes->srq_limit;
    return 0;
  });
  table_.querySrq = locked([](ibv_srq* queue, ibv_srq_attr* attributes) {
    *attributes = static_cast<Shared*>(queue)->capacity;
    return 0;
  });
  table_.postSrqRecv = locked([](ibv_srq* queue, ibv_recv_wr* first, ibv_recv_wr** bad) {
    auto& own = *static_cast<Shared*>(queue);
    return receive(own.receives, own.capacity.max_wr, first, bad);
  });
  table_.destroySrq =
      locked([](ibv_srq* queue) { return opened(queue->context)->destroy(static_cast<Shared*>(queue)); });
}

void NoOpDevice::addPairs() {
  const auto locked = [world = world_](auto function) { return underLock(world, function); };
  table_.createQp = locked([](ibv_pd* domain, ibv_qp_init_attr* attributes) -> ibv_qp* {
    const ibv_qp_cap& wanted = attributes->cap;
    if (wanted.max_inline_data > kMostInline || wanted.max_send_sge > kMostScatter ||
        wanted.max_recv_sge > kMostScatter || wanted.max_send_wr > kMostEntries || wanted.max_recv_wr > kMostEntries) {
      return errno = EINVAL, nullptr;
    }
    auto* const made = opened(domain->context)
                           ->make<Pair>(static_cast<Domain*>(domain), Queue::of(attributes->send_cq),
                                        Queue::of(attributes->recv_cq), static_cast<Shared*>(attributes->srq));
    made->qp_context = attributes->qp_context;
    made->qp_num = made->handle;
    made->qp_type = attributes->qp_type;
    made->capacity = wanted;
    made->signalAll = attributes->sq_sig_all != 0;
    return made;
  });
  table_.modifyQp = locked([](ibv_qp* pair, ibv_qp_attr* attributes, int mask) {
    auto& own = *static_cast<Pair*>(pair);
    change(own.attributes, *attributes, mask);
    if ((mask & IBV_QP_STATE) != 0 && attributes->qp_state == IBV_QPS_ERR) flush(own);
    return 0;
  });
  table_.queryQp = locked([](ibv_qp* pair, ibv_qp_attr* attributes, int, ibv_qp_init_attr* initial) {
    const auto& own = *static_cast<Pair*>(pair);
    *attributes = own.attributes;
    initial->cap = own.capacity;
    return 0;
  });
  table_.postSend = locked(
      [](ibv_qp* pair, ibv_send_wr* first, ibv_send_wr** bad) { return send(*static_cast<Pair*>(pair), first, bad); });
  table_.postRecv = locked([](ibv_qp* pair, ibv_recv_wr* first, ibv_recv_wr** bad) {
    auto& own = *static_cast<Pair*>(pair);
    return receive(own.posted, own.capacity.max_recv_wr, first, bad);
  });
  table_.destroyQp = locked([](ibv_qp* pair) { return opened(pair->context)->destroy(static_cast<Pair*>(pair)); });
  table_.attachMcast = [](ibv_qp*, const ibv_gid*, std::uint16_t) { return 0; };
  table_.detachMcast = [](ibv_qp*, const ibv_gid*, std::uint16_t) { return 0; };
}

}  // namespace pinfold::verbs
