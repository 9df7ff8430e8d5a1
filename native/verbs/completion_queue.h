// A completion queue (ibv_cq, ibv_cq_ex).
#pragma once

#include <span>
#include <vector>

#include "verbs/completion_channel.h"

namespace pinfold::verbs {

struct CompletionQueueRequest {
  int entries;
  Handle channel;  // 0 for none
  int vector;
  bool extended;
  bool timestamps;
};

class CompletionQueue : public Object {
 public:
  static constexpr Kind kKind = Kind::CompletionQueue;

  CompletionQueue(Context& context, CompletionChannel* channel, const CompletionQueueRequest& request, void* kept);

  static Handle create(Context& context, const CompletionQueueRequest& request);

  ibv_cq* get() const noexcept { return made_; }
  int entries() const noexcept { return made_->cqe; }
  void destroy() override { (void)context_.end("ibv_destroy_cq", context_.verbs().destroyCq, made_); }

  // Soft-RoCE's library has no memory to poll any more when it could not map that of the new size: from then on poll()
  // throws SystemError(ENOTRECOVERABLE), until a resize succeeds.
  void resize(int entries);
  void requestNotification(bool solicitedOnly);
  // Fills in completions (work_layout.h) from the start of `words`, at most `most`; how many.
  std::size_t poll(std::span<std::uint32_t> words, std::size_t most);

 private:
  Context& context_;
  const bool timestamps_;
  ibv_cq_ex* extended_ = nullptr;  // the same object, where it is one
  ibv_cq* made_;
  bool isLost_ = false;
  std::vector<Completion> polled_;  // kept, so that a poll allocates nothing
};

}  // namespace pinfold::verbs
