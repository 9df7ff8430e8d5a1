// A queue pair (ibv_qp), and the requests that are posted to it.
#pragma once

#include <span>
#include <vector>

#include "verbs/completion_queue.h"
#include "verbs/protection_domain.h"
#include "verbs/shared_receive_queue.h"
#include "verbs/work_request.h"

namespace pinfold::verbs {

struct QueuePairRequest {
  ibv_qp_type type;
  Handle domain;
  Handle sendQueue;
  Handle receiveQueue;
  Handle sharedReceiveQueue;  // 0 for none
  ibv_qp_cap capacity;
  bool signalAll;
};

class QueuePair : public Object {
 public:
  static constexpr Kind kKind = Kind::QueuePair;

  struct Parents {
    ProtectionDomain& domain;
    CompletionQueue& sends;
    CompletionQueue& receives;
    SharedReceiveQueue* shared;
  };

  QueuePair(Context& context, const Parents& parents, const QueuePairRequest& request, void* kept);

  static Handle create(Context& context, const QueuePairRequest& request);

  ibv_qp* get() const noexcept { return made_; }
  std::uint32_t number() const noexcept { return made_->qp_num; }
  const ibv_qp_cap& capacity() const noexcept { return capacity_; }
  void destroy() override;

  void modify(ibv_qp_attr attributes, int mask);
  ibv_qp_attr query(ibv_qp_cap& capacity);
  void attach(const ibv_gid& group, std::uint16_t lid);
  void detach(const ibv_gid& group, std::uint16_t lid);

  // Posts `count` requests of `stride` words each, in order. Throws SystemError with two values: `posted` is the number
  // of requests that were posted, and `index` is the index of the refused request.
  void postSend(std::span<const std::uint32_t> words, std::size_t stride, std::size_t count);
  void postReceive(std::span<const std::uint32_t> words, std::size_t stride, std::size_t count);

 private:
  Context& context_;
  const ibv_qp_type type_;
  ibv_qp_cap capacity_;
  ibv_qp* const made_;
  SendBatch sends_;
  ReceiveBatch receives_;
};

}  // namespace pinfold::verbs
