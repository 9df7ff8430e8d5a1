#include "addon/job.h"

#include <cerrno>
#include <system_error>

#include "addon/boundary.h"
#include "addon/environment.h"

namespace pinfold::addon {

Job::~Job() { owner_.forget(ticket_); }

std::uint64_t Job::start(Napi::Env env, std::unique_ptr<Job> job, const char* name, const Napi::Function& settle) {
  const auto finalize = [](napi_env, void* data, void*) {
    const std::unique_ptr<Job> ended(static_cast<Job*>(data));
    ended->end();
  };
  const auto call = [](napi_env caller, napi_value callback, void* context, void*) {
    if (caller != nullptr) static_cast<Job*>(context)->settle(caller, callback);
  };
  job->ticket_ = job->owner_.announce(*job);
  require(napi_create_threadsafe_function(env, settle, nullptr, Napi::String::New(env, name), 0, 1, job.get(), finalize,
                                          job.get(), call, &job->function_));
  Job& started = *job.release();  // the finalizer owns the job from here on
  try {
    started.thread_ = std::thread([&started] { started.run(); });
  } catch (const std::exception& error) {
    (void)napi_release_threadsafe_function(started.function_, napi_tsfn_abort);
    const auto* system = dynamic_cast<const std::system_error*>(&error);
    throw os::SystemError("pthread_create", system == nullptr ? ENOMEM : system->code().value());
  }
  return started.ticket_;
}

void Job::end() noexcept {
  cancel();
  if (thread_.joinable()) thread_.join();
}

void Job::run() noexcept {
  try {
    work();
  } catch (const os::SystemError& error) {
    failure_.emplace(error);
  } catch (const std::exception&) {
    failure_.emplace("malloc", ENOMEM);
  }
  // The call fails only when the JavaScript thread is ending. Then the finalizer destroys the result.
  if (napi_call_threadsafe_function(function_, nullptr, napi_tsfn_blocking) != napi_ok) return;
  (void)napi_release_threadsafe_function(function_, napi_tsfn_release);
}

void Job::settle(Napi::Env env, napi_value callback) {
  const Napi::HandleScope scope(env);
  const Napi::Function function(env, callback);
  try {
    Napi::Value made;
    if (!failure_) {
      try {
        made = result(env);
      } catch (const os::SystemError& error) {
        failure_.emplace(error);
      }
    }
    rest();
    if (failure_) {
      (void)function.Call({toJavaScript(env, *failure_)});
    } else {
      (void)function.Call({env.Null(), made});
    }
  } catch (const std::exception&) {
    // The thread is ending (CallFailed), so the callback cannot be called. The owner of the result destroys it.
  }
}

}  // namespace pinfold::addon
