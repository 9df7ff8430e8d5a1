#include "verbs/completion_channel.h"

#include <cerrno>

namespace pinfold::verbs {

CompletionChannel::CompletionChannel(Context& context)
    : Object(kKind, {}),
      context_(context),
      made_(make("ibv_create_comp_channel", context.verbs().createCompChannel, context.device())) {
  try {
    watch();
  } catch (const std::exception&) {
    (void)context_.verbs().destroyCompChannel(made_);
    throw;
  }
}

void CompletionChannel::watch() {
  source_ = context_.events().add(made_->fd, [this](std::vector<Event>& into) { return readEvent(into); });
}

void CompletionChannel::destroy() {
  context_.events().remove(source_);
  try {
    (void)context_.end("ibv_destroy_comp_channel", context_.verbs().destroyCompChannel, made_);
  } catch (const os::SystemError&) {
    watch();
    throw;
  }
}

// Runs on the event thread.
int CompletionChannel::readEvent(std::vector<Event>& into) {
  ibv_cq* queue = nullptr;
  void* kept = nullptr;
  const int error = context_.verbs().getCqEvent(made_, &queue, &kept);
  if (error != 0) return error;
  const int failed = context_.verbs().ackCqEvents(queue, 1);
  // Last, since it needs memory.
  into.push_back({context_.number(), EventKind::Completion, ObjectTable::fromContext(kept), 0});
  return failed;
}

}  // namespace pinfold::verbs
