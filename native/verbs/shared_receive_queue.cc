#include "verbs/shared_receive_queue.h"

#include <cerrno>

namespace pinfold::verbs {
namespace {

ibv_srq* created(Context& context, ProtectionDomain& domain, ibv_srq_attr& capacity, void* kept) {
  ibv_srq_init_attr attributes{};
  attributes.srq_context = kept;
  attributes.attr = capacity;
  ibv_srq* const made = make("ibv_create_srq", context.verbs().createSrq, domain.get(), &attributes);
  capacity.max_wr = attributes.attr.max_wr;
  capacity.max_sge = attributes.attr.max_sge;
  return made;
}

}  // namespace

SharedReceiveQueue::SharedReceiveQueue(Context& context, ProtectionDomain& domain, ibv_srq_attr& capacity, void* kept)
    : Object(kKind, {&domain}),
      context_(context),
      made_(created(context, domain, capacity, kept)),
      receives_(capacity.max_sge) {}

Handle SharedReceiveQueue::create(Context& context, Handle domain, ibv_srq_attr& capacity) {
  auto& parent = context.objects().get<ProtectionDomain>("ibv_create_srq", domain);
  ObjectTable::Place place(context.objects());
  return place.put(std::make_unique<SharedReceiveQueue>(context, parent, capacity, place.asContext()));
}

void SharedReceiveQueue::modify(ibv_srq_attr attributes, int mask) {
  const bool resizes = (mask & IBV_SRQ_MAX_WR) != 0;
  try {
    call("ibv_modify_srq", context_.verbs().modifySrq, made_, &attributes, mask);
  } catch (const os::SystemError& error) {
    // The error does not tell whether the kernel or mmap(2) failed. The kernel's size of the queue does not tell it,
    // either.
    if (resizes && (error.error() == ENOMEM || error.error() == EAGAIN)) isLost_ = true;
    throw;
  }
  if (resizes) isLost_ = false;
}

ibv_srq_attr SharedReceiveQueue::query() {
  ibv_srq_attr attributes{};
  call("ibv_query_srq", context_.verbs().querySrq, made_, &attributes);
  return attributes;
}

void SharedReceiveQueue::postReceive(std::span<const std::uint32_t> words, std::size_t stride, std::size_t count) {
  if (isLost_) throw os::SystemError("ibv_post_srq_recv", ENOTRECOVERABLE, {{"posted", 0}, {"index", 0}});
  receives_.post(
      "ibv_post_srq_recv", context_.objects(), words, stride, count,
      [this](ibv_recv_wr* first, ibv_recv_wr** bad) { return context_.verbs().postSrqRecv(made_, first, bad); });
}

}  // namespace pinfold::verbs
