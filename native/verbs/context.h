// An open device (ibv_context) and everything that was made on it.
//
// One JavaScript thread's. Other threads touch two things only: the event thread reads its events, until it is told to
// stop (event_thread.h), and a registration beside the event loop uses its domain, which it keeps (registration.h).
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "memory/region_table.h"
#include "verbs/call.h"
#include "verbs/event_thread.h"
#include "verbs/function_table.h"
#include "verbs/object_table.h"

namespace pinfold::verbs {

struct Listing {
  std::string name;
  std::uint64_t guid;  // network order
  int nodeType;
  int transportType;
};

// The devices there are; none where the kernel knows no RDMA.
std::vector<Listing> listDevices(const FunctionTable& verbs);

class Context {
 public:
  // Opens it; its events come by `events`, under `number`. Throws SystemError("ibv_get_device_list", ENODEV) when there
  // is no device of that name, "ibv_open_device" otherwise.
  Context(Functions verbs, const std::string& name, EventThread& events, std::uint64_t number);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();  // destroys what it can

  const FunctionTable& verbs() const noexcept { return *verbs_; }
  ibv_context* device() const noexcept { return device_; }
  ObjectTable& objects() noexcept { return objects_; }
  EventThread& events() noexcept { return events_; }
  std::uint64_t number() const noexcept { return number_; }

  // Closes it, and all objects before it. Throws SystemError when the device refuses, and stays open then.
  void close();

  // The device has said that it is gone, or that its driver has given up: what then fails with EIO is gone, too.
  void markRemoved() noexcept { removed_.store(true); }
  bool removed() const noexcept { return removed_.load(); }

  // Calls what destroys an object. False when the device is gone: the object's kernel part is then gone or going, and
  // its memory in the library is lost. Throws SystemError when the device refuses.
  template <typename Made>
  bool end(const char* name, const std::function<int(Made*)>& function, Made* object) {
    requireFunction(name, function);
    const int error = function(object);
    if (error == 0) return true;
    if (removed() && (error == EIO || error == ENODEV)) return false;
    throw os::SystemError(name, error);
  }

  // Whether this is Soft-RoCE (rdma_rxe), whose library hands out completions as the kernel writes them. Asked once.
  bool isSoftRoce();

  // Numbers of the queue pairs for datagrams: only their completions tell of a sender and of a header.
  void addDatagramPair(std::uint32_t number) { datagramPairs_.insert(number); }
  void dropDatagramPair(std::uint32_t number) noexcept { datagramPairs_.erase(number); }
  bool isDatagramPair(std::uint32_t number) const { return datagramPairs_.contains(number); }

  // Memory whose registration went with its device: only a closed context proves that the device lets go of it.
  void keepUntilClosed(memory::RegionUser&& user) { orphans_.push_back(std::move(user)); }

 private:
  int readEvent(std::vector<Event>& into);

  Functions verbs_;
  EventThread& events_;
  const std::uint64_t number_;
  ibv_context* device_;
  std::uint64_t source_ = 0;
  ObjectTable objects_;
  std::vector<memory::RegionUser> orphans_;
  std::unordered_set<std::uint32_t> datagramPairs_;
  std::optional<bool> isSoftRoce_;
  std::atomic<bool> removed_ = false;
};

}  // namespace pinfold::verbs
