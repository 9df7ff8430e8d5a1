// The open RDMA devices of one JavaScript thread, and the path of their events to JavaScript.
//
// When the thread ends, every device is closed, after the objects on it. Before that, the finalizer of the thread-safe
// function has stopped the event thread, as Node 20 requires (job.h).
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "connections/channel.h"
#include "verbs/context.h"
#include "verbs/event_thread.h"

namespace pinfold::addon {

class VerbsEnvironment {
 public:
  explicit VerbsEnvironment(napi_env env) : env_(env), events_([this] { wake(); }) {}
  VerbsEnvironment(const VerbsEnvironment&) = delete;
  VerbsEnvironment& operator=(const VerbsEnvironment&) = delete;

  // Opens a device. `dispatch(context, kind, element, type)` is called for each event of any device. Only the
  // `dispatch` of the first call is used.
  std::uint64_t open(const std::string& name, const Napi::Function& dispatch);
  // Throws ArgumentError when no device of that number is open.
  verbs::Context& context(std::uint64_t number);
  void close(std::uint64_t number);
  // Sets whether the process stays alive for events of a device.
  void keepAlive(std::uint64_t number, bool wanted);
  // The channel of this thread's connections. The first call opens it. A device must have been opened before.
  connections::Channel& connections();

 private:
  void listen(const Napi::Function& dispatch);
  void wake() noexcept;  // on the event thread
  void tell(Napi::Env env, napi_value dispatch);
  void follow();

  napi_env env_;
  std::uint64_t nextNumber_ = 1;
  napi_threadsafe_function function_ = nullptr;  // set before the event thread starts
  bool keepsAlive_ = false;
  std::unordered_set<std::uint64_t> awaited_;
  verbs::EventThread events_;
  std::unordered_map<std::uint64_t, std::unique_ptr<verbs::Context>> contexts_;  // destroyed before `events_`
  std::optional<connections::Channel> connections_;  // the same; and its connections end before the devices
  // The last context that was found: calls one after another mostly use the same device. Null if there is none.
  std::uint64_t lastNumber_ = 0;
  verbs::Context* lastContext_ = nullptr;
};

}  // namespace pinfold::addon
