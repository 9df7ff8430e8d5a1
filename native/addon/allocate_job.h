// An allocation that runs beside the event loop: a thread of its own makes the mapping and hands it to JavaScript.
//
// Not the runtime's threadpool: process.exit and a worker's end wait for that, and gigabytes take seconds.
//
// Lifetime: the job belongs to its thread-safe function, whose finalizer, on the JavaScript thread, stops and joins the
// thread and deletes the job. That is one order for every end: settled, cancelled, worker terminated. (On Node 20 a
// thread-safe function is freed at teardown even while a thread still holds it, so the join must come first.)
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "memory/mapping.h"
#include "os/system_error.h"

namespace pinfold::addon {

class Environment;

class AllocateJob {
 public:
  // Starts the job and returns its ticket. `settle(error, region)` is called once, unless the thread ends first.
  static std::uint64_t start(Napi::Env env, memory::MappingRequest request, std::string description,
                             const Napi::Function& settle);

  AllocateJob(const AllocateJob&) = delete;
  AllocateJob& operator=(const AllocateJob&) = delete;
  ~AllocateJob();

  void cancel() noexcept { cancelled_.store(true); }

 private:
  AllocateJob(Environment& owner, memory::MappingRequest request, std::string description)
      : owner_(owner), request_(std::move(request)), description_(std::move(description)) {}

  void run() noexcept;                              // on the job's thread
  void settle(Napi::Env env, napi_value callback);  // on the JavaScript thread

  Environment& owner_;
  const memory::MappingRequest request_;
  const std::string description_;
  std::uint64_t ticket_ = 0;
  std::atomic<bool> cancelled_ = false;
  std::optional<memory::Mapping> mapping_;  // written by the thread before it calls, read after
  std::optional<os::SystemError> failure_;
  napi_threadsafe_function function_ = nullptr;
  std::thread thread_;
};

}  // namespace pinfold::addon
