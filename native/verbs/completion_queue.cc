#include "verbs/completion_queue.h"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "verbs/work_layout.h"

namespace pinfold::verbs {
namespace {

ibv_cq_ex* createExtended(Context& context, ibv_comp_channel* channel, const CompletionQueueRequest& request,
                          void* kept) {
  ibv_cq_init_attr_ex attributes{};
  attributes.cqe = static_cast<std::uint32_t>(request.entries);
  attributes.cq_context = kept;
  attributes.channel = channel;
  attributes.comp_vector = static_cast<std::uint32_t>(request.vector);
  attributes.wc_flags = IBV_WC_STANDARD_FLAGS;
  if (request.timestamps) attributes.wc_flags |= IBV_WC_EX_WITH_COMPLETION_TIMESTAMP;
  return make("ibv_create_cq_ex", context.verbs().createCqEx, context.device(), &attributes);
}

// Corrects the flags of a completion to those of verbs.h. Removes the header and the sender from a completion that is
// not of a datagram.
//
// The kernel driver of Soft-RoCE writes flags with the numbers of the kernel, and its library copies them. There
// IB_WC_WITH_INVALIDATE is 1 << 2 (ib_verbs.h of the kernel). In verbs.h this number is IBV_WC_IP_CSUM_OK, a flag that
// Soft-RoCE never sets. Soft-RoCE also reports a header for every receive (rxe_resp.c, do_complete). Other devices may
// do so for connections.
void correct(ibv_wc& work, Context& context) {
  if ((work.wc_flags & IBV_WC_IP_CSUM_OK) != 0 && context.isSoftRoce()) {
    work.wc_flags = (work.wc_flags & ~unsigned{IBV_WC_IP_CSUM_OK}) | IBV_WC_WITH_INV;
  }
  if (((work.wc_flags & IBV_WC_GRH) != 0 || work.src_qp != 0) && !context.isDatagramPair(work.qp_num)) {
    work.wc_flags &= ~unsigned{IBV_WC_GRH};
    work.src_qp = 0;
  }
}

// The fields that a failed request leaves undefined become 0.
void write(const Completion& completion, Context& context, std::uint32_t* words) {
  ibv_wc work = completion.work;
  words[completion_word::kId] = static_cast<std::uint32_t>(work.wr_id);
  words[completion_word::kId + 1] = static_cast<std::uint32_t>(work.wr_id >> 32U);
  words[completion_word::kStatus] = work.status;
  words[completion_word::kVendorError] = work.vendor_err;
  words[completion_word::kQueuePair] = work.qp_num;
  if (work.status != IBV_WC_SUCCESS) {
    for (const std::size_t at : {completion_word::kOpcode, completion_word::kBytes}) words[at] = 0;
    std::fill(words + completion_word::kSourceQueuePair, words + kCompletionWords, 0U);
    return;
  }
  correct(work, context);
  words[completion_word::kOpcode] = work.opcode;
  words[completion_word::kBytes] = work.byte_len;
  words[completion_word::kSourceQueuePair] = work.src_qp;
  words[completion_word::kFlags] = work.wc_flags;
  std::uint32_t immediate = 0;
  if ((work.wc_flags & IBV_WC_WITH_IMM) != 0) {
    immediate = ntohl(work.imm_data);
  } else if ((work.wc_flags & IBV_WC_WITH_INV) != 0) {
    immediate = work.invalidated_rkey;
  }
  words[completion_word::kImmediate] = immediate;
  words[completion_word::kPartitionKeyIndex] = work.pkey_index;
  words[completion_word::kSourceLid] = work.slid;
  words[completion_word::kServiceLevel] = work.sl;
  words[completion_word::kDestinationPathBits] = work.dlid_path_bits;
  words[completion_word::kTimestamp] = static_cast<std::uint32_t>(completion.timestamp);
  words[completion_word::kTimestamp + 1] = static_cast<std::uint32_t>(completion.timestamp >> 32U);
}

// True if a failed resize from `before` to `wanted` entries lost the memory of the queue. The size in the library
// (`now`) changes as soon as the kernel has changed it, which is before the provider maps the memory anew. If the new
// size would be the same (providers round up to powers of two), the size does not tell. Then an error of mmap(2) does.
bool isLost(int before, int wanted, int now, int error) {
  if (now != before) return true;
  const bool isSame = std::bit_ceil(static_cast<unsigned>(wanted) + 1) == static_cast<unsigned>(before) + 1;
  return isSame && (error == ENOMEM || error == EAGAIN);
}

}  // namespace

CompletionQueue::CompletionQueue(Context& context, CompletionChannel* channel, const CompletionQueueRequest& request,
                                 void* kept)
    : Object(kKind, {channel}), context_(context), timestamps_(request.timestamps) {
  ibv_comp_channel* const events = channel == nullptr ? nullptr : channel->get();
  if (request.extended) {
    extended_ = createExtended(context, events, request, kept);
    made_ = ibv_cq_ex_to_cq(extended_);
  } else {
    made_ = make("ibv_create_cq", context.verbs().createCq, context.device(), request.entries, kept, events,
                 request.vector);
  }
}

Handle CompletionQueue::create(Context& context, const CompletionQueueRequest& request) {
  const char* const call = request.extended ? "ibv_create_cq_ex" : "ibv_create_cq";
  CompletionChannel* const channel =
      request.channel == 0 ? nullptr : &context.objects().get<CompletionChannel>(call, request.channel);
  ObjectTable::Place place(context.objects());
  return place.put(std::make_unique<CompletionQueue>(context, channel, request, place.asContext()));
}

void CompletionQueue::resize(int entries) {
  const int before = made_->cqe;
  try {
    call("ibv_resize_cq", context_.verbs().resizeCq, made_, entries);
  } catch (const os::SystemError& error) {
    isLost_ = isLost_ || isLost(before, entries, made_->cqe, error.error());
    throw;
  }
  isLost_ = false;
}

void CompletionQueue::moderate(std::uint16_t count, std::uint16_t microseconds) {
  ibv_modify_cq_attr attributes{IBV_CQ_ATTR_MODERATE, {count, microseconds}};
  call("ibv_modify_cq", context_.verbs().modifyCq, made_, &attributes);
}

void CompletionQueue::requestNotification(bool solicitedOnly) {
  call("ibv_req_notify_cq", context_.verbs().reqNotifyCq, made_, solicitedOnly ? 1 : 0);
}

std::size_t CompletionQueue::poll(std::span<std::uint32_t> words, std::size_t most) {
  const char* const name = extended_ == nullptr ? "ibv_poll_cq" : "ibv_start_poll";
  if (isLost_) throw os::SystemError(name, ENOTRECOVERABLE);
  most = std::min(most, words.size() / kCompletionWords);
  if (polled_.size() < most) polled_.resize(most);
  const std::span<Completion> into(polled_.data(), most);
  std::size_t found = 0;
  if (extended_ != nullptr) {
    call(name, context_.verbs().pollCqEx, extended_, timestamps_, into, &found);
  } else {
    call(name, context_.verbs().pollCq, made_, into, &found);
  }
  for (std::size_t i = 0; i < found; ++i) write(into[i], context_, words.data() + i * kCompletionWords);
  return found;
}

}  // namespace pinfold::verbs
