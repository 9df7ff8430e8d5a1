// The objects of the device that does nothing (no_op_device.h). A context owns all objects that were made on it. So
// objects that a removed device refuses to destroy are freed with the context.
#pragma once

#include <infiniband/verbs.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstddef>
#include <deque>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "os/descriptor.h"
#include "verbs/function_table.h"

namespace pinfold::verbs::no_op {

// A count with a descriptor for epoll. The descriptor is readable while the count is not 0.
class Signal {
 public:
  Signal() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)) {}
  int number() const noexcept { return descriptor_.number(); }
  void raise() const noexcept { (void)::eventfd_write(descriptor_.number(), 1); }
  void lower() const noexcept {
    eventfd_t value = 0;
    (void)::eventfd_read(descriptor_.number(), &value);
  }

 private:
  os::Descriptor descriptor_;
};

// An object that depends on other objects prevents their destruction.
struct Made {
  Made(std::initializer_list<Made*> others) {
    for (Made* const parent : others) {
      if (parent == nullptr) continue;
      ++parent->users;
      parents.push_back(parent);
    }
  }
  Made(const Made&) = delete;
  Made& operator=(const Made&) = delete;
  virtual ~Made() = default;

  std::vector<Made*> parents;
  int users = 0;
};

struct Domain : Made, ibv_pd {
  Domain() : Made({}), ibv_pd{} {}
};

struct Memory : Made, ibv_mr {
  Memory(Domain* domain, Made* other) : Made({domain, other}), ibv_mr{} { pd = domain; }
};

struct OnDevice : Made, ibv_dm {
  explicit OnDevice(std::size_t length) : Made({}), ibv_dm{}, bytes(length) {}
  std::vector<std::byte> bytes;
};

struct Window : Made, ibv_mw {
  explicit Window(Domain* domain) : Made({domain}), ibv_mw{} { pd = domain; }
};

struct Path : Made, ibv_ah {
  explicit Path(Domain* domain) : Made({domain}), ibv_ah{} { pd = domain; }
};

struct Queue;

struct Channel : Made, ibv_comp_channel {
  Channel() : Made({}), ibv_comp_channel{} { fd = signal.number(); }
  Signal signal;
  std::deque<Queue*> events;
};

struct Queue : Made, ibv_cq_ex {
  explicit Queue(Channel* to) : Made({to}), ibv_cq_ex{}, events(to) { channel = to; }
  ibv_cq* asQueue() noexcept { return reinterpret_cast<ibv_cq*>(static_cast<ibv_cq_ex*>(this)); }
  static Queue* of(ibv_cq* queue) noexcept { return static_cast<Queue*>(reinterpret_cast<ibv_cq_ex*>(queue)); }

  Channel* events;
  std::deque<Completion> completions;
  bool armed = false;
  ibv_moderate_cq moderation{};
};

struct Shared : Made, ibv_srq {
  explicit Shared(Domain* domain) : Made({domain}), ibv_srq{} { pd = domain; }
  ibv_srq_attr capacity{};
  std::deque<std::uint64_t> receives;
};

struct Pair : Made, ibv_qp {
  Pair(Domain* domain, Queue* send, Queue* receive, Shared* from)
      : Made({domain, send, receive, from}), ibv_qp{}, sends(send), receives(receive), shared(from) {}
  Queue* sends;
  Queue* receives;
  Shared* shared;
  ibv_qp_attr attributes{};
  ibv_qp_cap capacity{};
  bool signalAll = false;
  std::deque<std::uint64_t> posted;
};

struct Opened : ibv_context {
  Opened() : ibv_context{} { async_fd = signal.number(); }

  template <typename Kind, typename... Arguments>
  Kind* make(Arguments&&... arguments) {
    auto made = std::make_unique<Kind>(std::forward<Arguments>(arguments)...);
    Kind* const kept = made.get();
    kept->context = this;
    if constexpr (requires { kept->handle; }) kept->handle = ++serial;
    owned.emplace(kept, std::move(made));
    return kept;
  }

  int destroy(Made* made) {
    if (made->users > 0) return EBUSY;
    for (Made* const parent : made->parents) --parent->users;
    owned.erase(made);
    return 0;
  }

  Signal signal;
  std::deque<ibv_async_event> events;
  std::uint32_t serial = 0;
  std::unordered_map<Made*, std::unique_ptr<Made>> owned;
};

inline Opened* opened(ibv_context* context) { return static_cast<Opened*>(context); }

// The state that all contexts share. One lock guards it, since the event thread also uses it.
struct World {
  World() {
    device.node_type = IBV_NODE_CA;
    device.transport_type = IBV_TRANSPORT_IB;
    std::string_view("noop0").copy(device.name, sizeof device.name - 1);
    list[0] = &device;
  }

  std::mutex mutex;
  ibv_device device{};
  ibv_device* list[2] = {nullptr, nullptr};
  std::unordered_map<ibv_context*, std::unique_ptr<Opened>> contexts;
};

// Wraps `function`, so that it is called under the lock of the device.
template <typename Function>
auto underLock(const std::shared_ptr<World>& world, Function function) {
  return [world, function](auto... arguments) {
    const std::scoped_lock lock(world->mutex);
    return function(arguments...);
  };
}

}  // namespace pinfold::verbs::no_op
