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

  // If the library of Soft-RoCE cannot map the memory of the new size, it has no memory left to poll. From then on
  // poll() throws SystemError(ENOTRECOVERABLE), until a resize succeeds.
  void resize(int entries);
  // An event comes after `count` completions, or `microseconds` after the first of them.
  void moderate(std::uint16_t count, std::uint16_t microseconds);
  void requestNotification(bool solicitedOnly);
  // Writes at most `most` completions (work_layout.h) from the start of `words` on. Returns their number.
  std::size_t poll(std::span<std::uint32_t> words, std::size_t most);

 private:
  Context& context_;
  const bool timestamps_;
  ibv_cq_ex* extended_ = nullptr;  // the same object if it is extended, or null
  ibv_cq* made_;
  bool isLost_ = false;
  std::vector<Completion> polled_;  // kept, so that a poll allocates nothing
};

}  // namespace pinfold::verbs
