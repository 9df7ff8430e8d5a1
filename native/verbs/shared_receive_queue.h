// A shared receive queue (ibv_srq). Several queue pairs take receives from it.
#pragma once

#include "verbs/protection_domain.h"
#include "verbs/work_request.h"

namespace pinfold::verbs {

class SharedReceiveQueue : public Object {
 public:
  static constexpr Kind kKind = Kind::SharedReceiveQueue;

  SharedReceiveQueue(Context& context, ProtectionDomain& domain, ibv_srq_attr& capacity, void* kept);

  // `capacity` becomes the capacity that the device has granted.
  static Handle create(Context& context, Handle domain, ibv_srq_attr& capacity);

  ibv_srq* get() const noexcept { return made_; }
  void destroy() override { (void)context_.end("ibv_destroy_srq", context_.verbs().destroySrq, made_); }

  // If the library of Soft-RoCE cannot map the memory of a new size, it has no memory left to post to. From then on
  // postReceive() throws SystemError(ENOTRECOVERABLE), until such a change succeeds.
  void modify(ibv_srq_attr attributes, int mask);
  ibv_srq_attr query();
  void postReceive(std::span<const std::uint32_t> words, std::size_t stride, std::size_t count);

 private:
  Context& context_;
  ibv_srq* const made_;
  bool isLost_ = false;
  ReceiveBatch receives_;
};

}  // namespace pinfold::verbs
