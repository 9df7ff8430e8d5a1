// What one JavaScript thread holds: its attachments to regions, and its jobs under way, and its RDMA devices.
//
// It is the environment's instance data, so it goes when the thread ends, however it ends; every attachment then leaves
// its region, and what nobody else uses is closed.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "addon/window.h"
#include "memory/region_table.h"

namespace pinfold::addon {

class Environment;
class Job;
class VerbsEnvironment;

// What the finalizer of a sentinel buffer owns (environment.cc, watchEnd). Node runs that finalizer before the
// environment goes, other runtimes (Deno) after it, so it may reach the environment by nothing but this.
struct Sentinel {
  Environment* environment = nullptr;  // null once there is a newer sentinel, or no environment any more
};

// One Region object of this thread.
struct Attachment {
  memory::RegionUser user;
  std::vector<std::optional<Window>> windows;  // empty where none was made yet
};

class Environment {
 public:
  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  explicit Environment(napi_env env);
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment();

  // Takes a user over and describes it to JavaScript (src/native.ts, NativeRegion).
  Napi::Value adopt(memory::RegionUser&& user);
  // Throws ArgumentError when there is no such attachment.
  Attachment& attachment(std::uint64_t number);
  // The ArrayBuffer of a window of the attachment: made at first use, and again when JavaScript has moved it away.
  Napi::Value window(Attachment& attachment, std::size_t index, std::size_t offset, std::size_t length);
  // Detaches the attachment's ArrayBuffers, then leaves the region. False when it was given up before.
  bool giveUp(std::uint64_t number);

  VerbsEnvironment& verbs() noexcept { return *verbs_; }

  std::uint64_t announce(Job& job);
  void forget(std::uint64_t ticket) noexcept { jobs_.erase(ticket); }
  void cancel(std::uint64_t ticket);

 private:
  void watchEnd();
  void endWatch() noexcept;   // of the newest sentinel
  void keepMoved() noexcept;  // the ranges of which a window was moved away

  napi_env env_;
  std::uint64_t nextNumber_ = 1;
  std::unordered_map<std::uint64_t, Attachment> attachments_;
  napi_ref sentinelBuffer_ = nullptr;
  Sentinel* sentinel_ = nullptr;  // the newest; null once its finalizer has run
  std::unique_ptr<VerbsEnvironment> verbs_;
  std::unordered_map<std::uint64_t, Job*> jobs_;  // each forgets itself before it goes
};

}  // namespace pinfold::addon
