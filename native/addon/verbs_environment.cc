#include "addon/verbs_environment.h"

#include "addon/boundary.h"
#include "connections/library.h"
#include "verbs/chosen_library.h"

namespace pinfold::addon {

std::uint64_t VerbsEnvironment::open(const std::string& name, const Napi::Function& dispatch) {
  verbs::Functions functions = verbs::ChosenLibrary::process().functions();
  if (function_ == nullptr) listen(dispatch);
  const std::uint64_t number = nextNumber_++;
  contexts_.emplace(number, std::make_unique<verbs::Context>(std::move(functions), name, events_, number));
  return number;
}

verbs::Context& VerbsEnvironment::context(std::uint64_t number) {
  if (lastContext_ != nullptr && number == lastNumber_) return *lastContext_;
  const auto found = contexts_.find(number);
  if (found == contexts_.end()) throw ArgumentError("no such device is open");
  lastNumber_ = number;
  lastContext_ = found->second.get();
  return *lastContext_;
}

void VerbsEnvironment::close(std::uint64_t number) {
  context(number).close();
  lastContext_ = nullptr;
  contexts_.erase(number);
  keepAlive(number, false);
}

void VerbsEnvironment::keepAlive(std::uint64_t number, bool wanted) {
  if (wanted) {
    awaited_.insert(number);
  } else {
    awaited_.erase(number);
  }
  follow();
}

connections::Channel& VerbsEnvironment::connections() {
  if (function_ == nullptr) throw ArgumentError("no device was opened");
  if (!connections_) connections_.emplace(connections::libraryFunctions(), events_);
  return *connections_;
}

void VerbsEnvironment::follow() {
  const bool wanted = !awaited_.empty();
  if (function_ == nullptr || wanted == keepsAlive_) return;
  keepsAlive_ = wanted;
  (void)(wanted ? napi_ref_threadsafe_function(env_, function_) : napi_unref_threadsafe_function(env_, function_));
}

void VerbsEnvironment::listen(const Napi::Function& dispatch) {
  const auto finalize = [](napi_env, void* data, void*) {
    auto* const environment = static_cast<VerbsEnvironment*>(data);
    environment->events_.stop();
    environment->function_ = nullptr;
  };
  const auto call = [](napi_env env, napi_value callback, void* context, void*) {
    if (env != nullptr) static_cast<VerbsEnvironment*>(context)->tell(env, callback);
  };
  require(napi_create_threadsafe_function(env_, dispatch, nullptr, Napi::String::New(env_, "pinfold:verbs"), 0, 1, this,
                                          finalize, this, call, &function_));
  (void)napi_unref_threadsafe_function(env_, function_);
}

// The call fails only when the JavaScript thread is ending. Then nobody needs the events.
void VerbsEnvironment::wake() noexcept {
  (void)napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void VerbsEnvironment::tell(Napi::Env env, napi_value dispatch) {
  const Napi::HandleScope scope(env);
  const Napi::Function function(env, dispatch);
  for (const verbs::Event& event : events_.take()) {
    (void)function.Call({Napi::Number::New(env, static_cast<double>(event.context)),
                         Napi::Number::New(env, static_cast<double>(event.kind)), Napi::Number::New(env, event.element),
                         Napi::Number::New(env, event.type)});
    if (env.IsExceptionPending()) return;  // the thread is ending: `dispatch` itself never throws
  }
}

}  // namespace pinfold::addon
