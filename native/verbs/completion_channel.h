// A completion channel (ibv_comp_channel) receives the events of completion queues. Only the event thread reads it,
// without blocking.
#pragma once

#include "verbs/context.h"

namespace pinfold::verbs {

class CompletionChannel : public Object {
 public:
  static constexpr Kind kKind = Kind::CompletionChannel;

  explicit CompletionChannel(Context& context);

  static Handle create(Context& context) {
    ObjectTable::Place place(context.objects());
    return place.put(std::make_unique<CompletionChannel>(context));
  }

  ibv_comp_channel* get() const noexcept { return made_; }
  void destroy() override;

 private:
  void watch();
  int readEvent(std::vector<Event>& into);

  Context& context_;
  ibv_comp_channel* const made_;
  std::uint64_t source_ = 0;
};

}  // namespace pinfold::verbs
