// An address handle (ibv_ah): the destination of datagrams.
#pragma once

#include "verbs/protection_domain.h"

namespace pinfold::verbs {

class AddressHandle : public Object {
 public:
  static constexpr Kind kKind = Kind::AddressHandle;

  AddressHandle(Context& context, ProtectionDomain& domain, ibv_ah_attr& path)
      : Object(kKind, {&domain}),
        context_(context),
        made_(make("ibv_create_ah", context.verbs().createAh, domain.get(), &path)) {}

  static Handle create(Context& context, Handle domain, ibv_ah_attr path) {
    auto& parent = context.objects().get<ProtectionDomain>("ibv_create_ah", domain);
    ObjectTable::Place place(context.objects());
    return place.put(std::make_unique<AddressHandle>(context, parent, path));
  }

  ibv_ah* get() const noexcept { return made_; }
  void destroy() override { (void)context_.end("ibv_destroy_ah", context_.verbs().destroyAh, made_); }

 private:
  Context& context_;
  ibv_ah* const made_;
};

}  // namespace pinfold::verbs
