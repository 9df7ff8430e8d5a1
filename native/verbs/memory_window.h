// A memory window (ibv_mw).
#pragma once

#include "verbs/protection_domain.h"

namespace pinfold::verbs {

class MemoryWindow : public Object {
 public:
  static constexpr Kind kKind = Kind::MemoryWindow;

  MemoryWindow(Context& context, ProtectionDomain& domain, ibv_mw_type type)
      : Object(kKind, {&domain}),
        context_(context),
        type_(type),
        made_(make("ibv_alloc_mw", context.verbs().allocMw, domain.get(), type)) {}

  static Handle allocate(Context& context, Handle domain, ibv_mw_type type) {
    auto& parent = context.objects().get<ProtectionDomain>("ibv_alloc_mw", domain);
    ObjectTable::Place place(context.objects());
    return place.put(std::make_unique<MemoryWindow>(context, parent, type));
  }

  ibv_mw* get() const noexcept { return made_; }
  ibv_mw_type type() const noexcept { return type_; }
  std::uint32_t rkey() const noexcept { return made_->rkey; }
  void destroy() override { (void)context_.end("ibv_dealloc_mw", context_.verbs().deallocMw, made_); }

  // The registration of its last bind; 0 for none.
  Handle bound() const noexcept { return bound_; }
  void bindTo(Handle registration) noexcept { bound_ = registration; }
  // Records the key with which a memory window of type 2 was bound. The program must record it, and providers read it
  // at the next bind.
  void takeKey(std::uint32_t key) noexcept { made_->rkey = key; }

 private:
  Context& context_;
  const ibv_mw_type type_;
  ibv_mw* const made_;
  Handle bound_ = 0;
};

}  // namespace pinfold::verbs
