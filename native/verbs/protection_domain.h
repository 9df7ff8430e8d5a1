// A protection domain (ibv_pd).
#pragma once

#include "verbs/context.h"

namespace pinfold::verbs {

class ProtectionDomain : public Object {
 public:
  static constexpr Kind kKind = Kind::Domain;

  explicit ProtectionDomain(Context& context)
      : Object(kKind, {}), context_(context), made_(make("ibv_alloc_pd", context.verbs().allocPd, context.device())) {}

  static Handle allocate(Context& context) {
    ObjectTable::Place place(context.objects());
    return place.put(std::make_unique<ProtectionDomain>(context));
  }

  ibv_pd* get() const noexcept { return made_; }
  void destroy() override { (void)context_.end("ibv_dealloc_pd", context_.verbs().deallocPd, made_); }

 private:
  Context& context_;
  ibv_pd* const made_;
};

}  // namespace pinfold::verbs
