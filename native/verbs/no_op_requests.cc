#include "verbs/no_op_requests.h"

#include <algorithm>

namespace pinfold::verbs::no_op {
namespace {

void complete(Queue& queue, Completion completion) {
  if (queue.completions.size() == static_cast<std::size_t>(queue.cqe)) {
    Opened& context = *opened(queue.context);
    ibv_async_event event{};
    event.element.cq = queue.asQueue();
    event.event_type = IBV_EVENT_CQ_ERR;
    context.events.push_back(event);
    context.signal.raise();
    return;
  }
  queue.completions.push_back(completion);
  if (!queue.armed || queue.events == nullptr) return;
  queue.armed = false;
  queue.events->events.push_back(&queue);
  queue.events->signal.raise();
}

Completion completionOf(std::uint64_t id, const Pair& pair, ibv_wc_opcode opcode, std::uint32_t bytes) {
  Completion completion{};
  completion.work.wr_id = id;
  completion.work.status = pair.attributes.qp_state == IBV_QPS_ERR ? IBV_WC_WR_FLUSH_ERR : IBV_WC_SUCCESS;
  completion.work.opcode = opcode;
  completion.work.byte_len = bytes;
  completion.work.qp_num = pair.qp_num;
  completion.timestamp = 1;
  return completion;
}

ibv_wc_opcode doneOf(ibv_wr_opcode opcode) {
  switch (opcode) {
    case IBV_WR_RDMA_WRITE:
    case IBV_WR_RDMA_WRITE_WITH_IMM:
      return IBV_WC_RDMA_WRITE;
    case IBV_WR_RDMA_READ:
      return IBV_WC_RDMA_READ;
    case IBV_WR_ATOMIC_CMP_AND_SWP:
      return IBV_WC_COMP_SWAP;
    case IBV_WR_ATOMIC_FETCH_AND_ADD:
      return IBV_WC_FETCH_ADD;
    case IBV_WR_LOCAL_INV:
      return IBV_WC_LOCAL_INV;
    case IBV_WR_BIND_MW:
      return IBV_WC_BIND_MW;
    default:
      return IBV_WC_SEND;
  }
}

// Reads the bytes of an inline request, as the library of a device would. So a wrong address causes a crash, which a
// test notices.
std::uint32_t gather(const ibv_send_wr& request) {
  std::uint32_t bytes = 0;
  for (int i = 0; i < request.num_sge; ++i) {
    const ibv_sge& entry = request.sg_list[i];
    bytes += entry.length;
    if ((request.send_flags & IBV_SEND_INLINE) == 0) continue;
    const auto* const from = reinterpret_cast<const volatile unsigned char*>(entry.addr);
    for (std::uint32_t at = 0; at < entry.length; ++at) (void)from[at];
  }
  return bytes;
}

}  // namespace

int send(Pair& pair, ibv_send_wr* first, ibv_send_wr** bad) {
  for (ibv_send_wr* request = first; request != nullptr; request = request->next) {
    if (pair.attributes.qp_state != IBV_QPS_RTS && pair.attributes.qp_state != IBV_QPS_ERR) {
      *bad = request;
      return EINVAL;
    }
    const std::uint32_t bytes = gather(*request);
    const bool tells = pair.signalAll || (request->send_flags & IBV_SEND_SIGNALED) != 0;
    if (tells || pair.attributes.qp_state == IBV_QPS_ERR) {
      complete(*pair.sends, completionOf(request->wr_id, pair, doneOf(request->opcode), bytes));
    }
  }
  return 0;
}

int receive(std::deque<std::uint64_t>& queue, std::size_t most, ibv_recv_wr* first, ibv_recv_wr** bad) {
  for (ibv_recv_wr* request = first; request != nullptr; request = request->next) {
    if (queue.size() == most) {
      *bad = request;
      return ENOMEM;
    }
    queue.push_back(request->wr_id);
  }
  return 0;
}

void flush(Pair& pair) {
  for (const std::uint64_t id : std::exchange(pair.posted, {})) {
    complete(*pair.receives, completionOf(id, pair, IBV_WC_RECV, 0));
  }
}

int take(Queue& queue, std::span<Completion> into, std::size_t* count) {
  *count = std::min(into.size(), queue.completions.size());
  std::copy_n(queue.completions.begin(), *count, into.begin());
  queue.completions.erase(queue.completions.begin(), queue.completions.begin() + static_cast<std::ptrdiff_t>(*count));
  return 0;
}

}  // namespace pinfold::verbs::no_op
