// Work that runs beside the event loop: a thread of its own does it and hands the result to JavaScript.
//
// Not the runtime's threadpool: process.exit and a worker's end wait for that, and gigabytes take seconds.
//
// Lifetime: the job belongs to its thread-safe function, whose finalizer, on the JavaScript thread, cancels and joins
// the thread and deletes the job. That is one order for every end: settled, cancelled, worker terminated. (On Node 20 a
// thread-safe function is freed at teardown even while a thread still holds it, so the join must come first.)
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
  virtual ~Job();  // the thread has ended by then

  void cancel() noexcept { cancelled_.store(true); }

 protected:
  explicit Job(Environment& owner) : owner_(owner) {}

  Environment& owner() noexcept { return owner_; }
  const std::atomic<bool>& cancelled() const noexcept { return cancelled_; }

 private:
  // Before JavaScript is told: lets go of what was kept for the work alone. Not called when the thread ends first.
  virtual void rest() noexcept {}
  virtual void work() = 0;                        // on the job's thread; what it throws settles the job
  virtual Napi::Value result(Napi::Env env) = 0;  // on the JavaScript thread, after work()

  void run() noexcept;
  void settle(Napi::Env env, napi_value callback);
  void end() noexcept;

  Environment& owner_;
  std::uint64_t ticket_ = 0;
  std::atomic<bool> cancelled_ = false;
  std::optional<os::SystemError> failure_;  // written by the thread before it calls, read after
  napi_threadsafe_function function_ = nullptr;
  std::thread thread_;
};

}  // namespace pinfold::addon
