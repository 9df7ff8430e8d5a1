#include "addon/register_job.h"

#include <utility>

#include "addon/boundary.h"
#include "addon/verbs_arguments.h"

namespace pinfold::addon {

RegisterJob::RegisterJob(Environment& owner, verbs::Context& context, verbs::ProtectionDomain& domain,
                         verbs::RegionRange&& range, std::optional<std::uint64_t> address, unsigned access)
    : Job(owner), context_(context), domain_(domain), range_(std::move(range)), address_(address), access_(access) {
  domain_.keep();
}

RegisterJob::~RegisterJob() {
  if (made_ && context_.verbs().deregMr(made_->made) != 0) {
    range_->user.remain();  // the device may still use the memory
  }
  if (keepsDomain_) domain_.letGo();
}

void RegisterJob::rest() noexcept {
  range_.reset();  // taken over by the registration, unless that failed
  if (std::exchange(keepsDomain_, false)) domain_.letGo();
}

void RegisterJob::work() { made_ = verbs::registerRange(context_.verbs(), domain_.get(), *range_, address_, access_); }

Napi::Value RegisterJob::result(Napi::Env env) {
  Napi::Uint32Array keys = Napi::Uint32Array::New(env, kKeyWords);
  if (keys.IsEmpty()) throw CallFailed();
  const verbs::RegisteredRange made = *made_;
  made_.reset();  // adopt() takes it over, or deregisters it when it throws
  const verbs::Handle handle = verbs::Registration::adopt(context_, domain_, std::move(*range_), made);
  (void)writeKeys(env, context_, handle, {keys.Data(), kKeyWords});
  return keys;
}

}  // namespace pinfold::addon
