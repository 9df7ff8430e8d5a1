// A Job is work beside the event loop: it runs on its own thread, and passes the result to JavaScript.
//
// It does not use the runtime's thread pool: process.exit and a worker's end wait for the pool, and gigabytes take
// seconds.
//
// Lifetime: the thread-safe function owns the job. Its finalizer runs on the JavaScript thread; it cancels and joins
// the thread, and deletes the job. Every job ends in this way, whether it is settled, it is cancelled, or the worker is
// terminated. (At teardown, Node 20 frees a thread-safe function even while a thread still uses it. So the join must
// come first.)
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>

#include "os/system_error.h"

namespace pinfold::addon {

class Environment;

class Job {
 public:
  // Starts the job and returns its ticket. `settle(error, result)` is called once, unless the thread ends first.
  static std::uint64_t start(Napi::Env env, std::unique_ptr<Job> job, const char* name, const Napi::Function& settle);

  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual ~Job();  // runs after the job's thread has ended

  void cancel() noexcept { cancelled_.store(true); }

 protected:
  explicit Job(Environment& owner) : owner_(owner) {}

  Environment& owner() noexcept { return owner_; }
  const std::atomic<bool>& cancelled() const noexcept { return cancelled_; }

 private:
  // Releases everything that only the work needed. Called before JavaScript gets the result, but not when the
  // JavaScript thread ends first.
  virtual void rest() noexcept {}
  virtual void work() = 0;                        // on the job's thread; an exception becomes the job's failure
  virtual Napi::Value result(Napi::Env env) = 0;  // on the JavaScript thread, after work()

  void run() noexcept;
  void settle(Napi::Env env, napi_value callback);
  void end() noexcept;

  Environment& owner_;
  std::uint64_t ticket_ = 0;
  std::atomic<bool> cancelled_ = false;
  std::optional<os::SystemError> failure_;  // written by the job's thread before it calls back
  napi_threadsafe_function function_ = nullptr;
  std::thread thread_;
};

}  // namespace pinfold::addon
