// An Environment keeps everything that belongs to one JavaScript thread: its attachments to regions, its running jobs,
// and its RDMA devices.
//
// It is the instance data of the Node-API environment. So it is destroyed when the thread ends, however the thread
// ends. Then every attachment leaves its region, and a region without other users is closed.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "addon/window.h"
#include "memory/region_table.h"
#include "memory/shadow.h"

namespace pinfold::addon {

class Environment;
class Job;
class VerbsEnvironment;

// The finalizer of a sentinel buffer owns a Sentinel (environment.cc, watchEnd). Node runs that finalizer before the
// Environment is destroyed, and other runtimes (Deno) after it. So the finalizer may reach the Environment only through
// this pointer.
struct Sentinel {
  Environment* environment = nullptr;  // null once a newer sentinel exists or the Environment is destroyed
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

  // Takes over a user of a region, and returns a description for JavaScript (src/native.ts, NativeRegion).
  Napi::Value adopt(memory::RegionUser&& user);
  // Throws ArgumentError when there is no such attachment.
  Attachment& attachment(std::uint64_t number);
  // The ArrayBuffer of a window of the attachment. It is made at first use, and again after JavaScript has moved it
  // away.
  Napi::Value window(Attachment& attachment, std::size_t index, std::size_t offset, std::size_t length);
  // Detaches the attachment's ArrayBuffers, then leaves the region. Returns false when the attachment was given up
  // before.
  bool giveUp(std::uint64_t number);
  // As giveUp(), but if this was the last user of the region, its pages stay.
  void leave(std::uint64_t number);
  // What is left to do for these regions. If the thread ends first, the destructor does it.
  std::vector<memory::Unmapping> takeUnmappings() noexcept { return std::exchange(unmappings_, {}); }

  // The thread's one WebAssembly memory, in which pages are mapped a second time. The view of its bytes is kept for
  // ever, since its end is the end of the thread. Throws ArgumentError if there is one already.
  memory::Shadow& openShadow(const Napi::Value& view, std::span<std::byte> bytes);
  // Throws ArgumentError if there is none.
  memory::Shadow& shadow();

  VerbsEnvironment& verbs() noexcept { return *verbs_; }

  std::uint64_t announce(Job& job);
  void forget(std::uint64_t ticket) noexcept { jobs_.erase(ticket); }
  void cancel(std::uint64_t ticket);

 private:
  std::optional<Attachment> detached(std::uint64_t number);
  void watchEnd();
  void endWatch() noexcept;   // drops the newest sentinel
  void keepMoved() noexcept;  // keeps the address ranges of regions with moved windows

  napi_env env_;
  std::uint64_t nextNumber_ = 1;
  std::unordered_map<std::uint64_t, Attachment> attachments_;
  std::vector<memory::Unmapping> unmappings_;
  napi_ref sentinelBuffer_ = nullptr;
  Sentinel* sentinel_ = nullptr;  // the newest; null once its finalizer has run
  std::optional<memory::Shadow> shadow_;
  napi_ref shadowBytes_ = nullptr;  // strong (shadow.h, the lifetime rule); V8 drops it with the thread
  std::unique_ptr<VerbsEnvironment> verbs_;
  std::unordered_map<std::uint64_t, Job*> jobs_;  // the destructor of each job removes it
};

}  // namespace pinfold::addon
