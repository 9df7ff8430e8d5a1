#include "addon/allocate_job.h"

#include <cerrno>
#include <system_error>

#include "addon/boundary.h"
#include "addon/environment.h"

namespace pinfold::addon {

AllocateJob::~AllocateJob() {
  cancel();
  if (thread_.joinable()) thread_.join();
  owner_.forget(ticket_);
}

std::uint64_t AllocateJob::start(Napi::Env env, memory::MappingRequest request, std::string description,
                                 const Napi::Function& settle) {
  Environment& owner = Environment::of(env);
  std::unique_ptr<AllocateJob> job(new AllocateJob(owner, std::move(request), std::move(description)));
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<AllocateJob*>(data); };
  const auto call = [](napi_env caller, napi_value callback, void* context, void*) {
    if (caller != nullptr) static_cast<AllocateJob*>(context)->settle(caller, callback);
  };
  job->ticket_ = owner.announce(*job);
  require(napi_create_threadsafe_function(env, settle, nullptr, Napi::String::New(env, "pinfold:allocate"), 0, 1,
                                          job.get(), finalize, job.get(), call, &job->function_));
  AllocateJob& started = *job.release();  // the finalizer's from here on
  try {
    started.thread_ = std::thread([&started] { started.run(); });
  } catch (const std::exception& error) {
    (void)napi_release_threadsafe_function(started.function_, napi_tsfn_abort);
    const auto* system = dynamic_cast<const std::system_error*>(&error);
    throw os::SystemError("pthread_create", system == nullptr ? ENOMEM : system->code().value());
  }
  return started.ticket_;
}

void AllocateJob::run() noexcept {
  try {
    mapping_.emplace(request_, cancelled_);
  } catch (const os::SystemError& error) {
    failure_.emplace(error);
  } catch (const std::exception&) {
    failure_.emplace("malloc", ENOMEM);
  }
  // Refused only when the JavaScript thread is ending; the finalizer then drops the mapping.
  if (napi_call_threadsafe_function(function_, nullptr, napi_tsfn_blocking) != napi_ok) return;
  (void)napi_release_threadsafe_function(function_, napi_tsfn_release);
}

void AllocateJob::settle(Napi::Env env, napi_value callback) {
  const Napi::HandleScope scope(env);
  const Napi::Function function(env, callback);
  try {
    if (failure_) {
      (void)function.Call({toJavaScript(env, *failure_)});
      return;
    }
    Napi::Value region = owner_.adopt(memory::RegionTable::process().add(std::move(*mapping_), request_, description_));
    (void)function.Call({env.Null(), region});
  } catch (const std::exception&) {
    // The thread is ending (CallFailed): nobody is left to tell, and the region has left with its user.
  }
}

}  // namespace pinfold::addon
