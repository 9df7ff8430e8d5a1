#include "verbs/provider_calls.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pinfold::verbs {
namespace {

// Does the work of verbs_get_ctx_op of the header. Returns null unless the provider was built with the operation.
template <typename Operation>
verbs_context* contextWith(ibv_context* context, Operation verbs_context::*operation) {
  verbs_context* const found = verbs_get_ctx(context);
  if (found == nullptr) return nullptr;
  const auto* const end = reinterpret_cast<const std::byte*>(found + 1);
  const auto* const place = reinterpret_cast<const std::byte*>(&(found->*operation));
  if (found->sz < static_cast<std::size_t>(end - place)) return nullptr;
  return found->*operation == nullptr ? nullptr : found;
}

// Fields that the queue was not made with must not be read.
Completion read(ibv_cq_ex* queue, bool timestamps) {
  Completion completion{};
  ibv_wc& work = completion.work;
  work.wr_id = queue->wr_id;
  work.status = queue->status;
  work.qp_num = ibv_wc_read_qp_num(queue);
  work.vendor_err = ibv_wc_read_vendor_err(queue);
  if (work.status != IBV_WC_SUCCESS) return completion;
  work.opcode = ibv_wc_read_opcode(queue);
  work.wc_flags = ibv_wc_read_wc_flags(queue);
  work.byte_len = ibv_wc_read_byte_len(queue);
  // IBV_WC_IP_CSUM_OK is included, since it stands for IBV_WC_WITH_INV on Soft-RoCE (completion_queue.cc).
  constexpr unsigned kHasData = IBV_WC_WITH_IMM | IBV_WC_WITH_INV | IBV_WC_IP_CSUM_OK;
  if ((work.wc_flags & kHasData) != 0) work.imm_data = ibv_wc_read_imm_data(queue);
  work.src_qp = ibv_wc_read_src_qp(queue);
  work.slid = static_cast<std::uint16_t>(ibv_wc_read_slid(queue));
  work.sl = ibv_wc_read_sl(queue);
  work.dlid_path_bits = ibv_wc_read_dlid_path_bits(queue);
  if (timestamps) completion.timestamp = ibv_wc_read_completion_ts(queue);
  return completion;
}

int pollExtended(ibv_cq_ex* queue, bool timestamps, std::span<Completion> into, std::size_t* count) {
  *count = 0;
  if (into.empty()) return 0;
  ibv_poll_cq_attr attributes{};
  int error = ibv_start_poll(queue, &attributes);
  if (error != 0) return error == ENOENT ? 0 : error;
  while (error == 0) {
    into[(*count)++] = read(queue, timestamps);
    if (*count == into.size()) break;
    error = ibv_next_poll(queue);
  }
  ibv_end_poll(queue);
  return error == ENOENT || *count > 0 ? 0 : error;
}

int poll(ibv_cq* queue, std::span<Completion> into, std::size_t* count) {
  constexpr std::size_t kBatch = 32;
  ibv_wc work[kBatch];
  *count = 0;
  while (*count < into.size()) {
    const std::size_t wanted = std::min(kBatch, into.size() - *count);
    const int found = ibv_poll_cq(queue, static_cast<int>(wanted), work);
    // Completions that were already polled must not be lost, and the failure comes again. Each provider returns its own
    // number, so the error is EPROTO.
    if (found < 0) return *count > 0 ? 0 : EPROTO;
    for (int i = 0; i < found; ++i) into[(*count)++] = {work[i], 0};
    if (static_cast<std::size_t>(found) < wanted) break;
  }
  return 0;
}

// Soft-RoCE returns -ENOMEM, other providers return ENOMEM, and the oldest return -1 with errno.
int errorNumber(int result) {
  if (result == -1 && errno != 0) return errno;
  return result < 0 ? -result : result;
}

}  // namespace

int queryDevice(ibv_context* context, ibv_device_attr_ex* attributes, OldQueryDevice* old) {
  std::memset(attributes, 0, sizeof *attributes);
  if (verbs_context* const extended = contextWith(context, &verbs_context::query_device_ex)) {
    const int error = extended->query_device_ex(context, nullptr, attributes, sizeof *attributes);
    if (error != EOPNOTSUPP && error != ENOSYS) return error;
    std::memset(attributes, 0, sizeof *attributes);
  }
  const int error = old(context, &attributes->orig_attr);
  attributes->device_cap_flags_ex = attributes->orig_attr.device_cap_flags;
  return error;
}

int queryPort(ibv_context* context, std::uint8_t port, ibv_port_attr* attributes, OldQueryPort* old) {
  std::memset(attributes, 0, sizeof *attributes);
  if (verbs_context* const extended = contextWith(context, &verbs_context::query_port)) {
    return extended->query_port(context, port, attributes, sizeof *attributes);
  }
  return old(context, port, reinterpret_cast<_compat_ibv_port_attr*>(attributes));
}

void addProviderCalls(FunctionTable& table) {
  table.allocNullMr = ibv_alloc_null_mr;
  table.adviseMr = [](ibv_pd* domain, ibv_advise_mr_advice advice, std::uint32_t flags, std::span<ibv_sge> ranges) {
    return ibv_advise_mr(domain, advice, flags, ranges.data(), static_cast<std::uint32_t>(ranges.size()));
  };
  table.allocDm = ibv_alloc_dm;
  table.freeDm = ibv_free_dm;
  table.memcpyToDm = ibv_memcpy_to_dm;
  table.memcpyFromDm = ibv_memcpy_from_dm;
  table.regDmMr = ibv_reg_dm_mr;
  table.allocMw = ibv_alloc_mw;
  table.bindMw = [](ibv_qp* pair, ibv_mw* window, ibv_mw_bind* bind) {
    return errorNumber(ibv_bind_mw(pair, window, bind));
  };
  table.deallocMw = ibv_dealloc_mw;
  table.createCqEx = ibv_create_cq_ex;
  table.modifyCq = ibv_modify_cq;
  table.reqNotifyCq = ibv_req_notify_cq;
  table.pollCq = poll;
  table.pollCqEx = pollExtended;
  table.postSrqRecv = [](ibv_srq* queue, ibv_recv_wr* first, ibv_recv_wr** bad) {
    return errorNumber(ibv_post_srq_recv(queue, first, bad));
  };
  table.postSend = [](ibv_qp* pair, ibv_send_wr* first, ibv_send_wr** bad) {
    return errorNumber(ibv_post_send(pair, first, bad));
  };
  table.postRecv = [](ibv_qp* pair, ibv_recv_wr* first, ibv_recv_wr** bad) {
    return errorNumber(ibv_post_recv(pair, first, bad));
  };
}

}  // namespace pinfold::verbs
