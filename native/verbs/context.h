// An open device (ibv_context), and all objects that were made on it.
//
// A Context belongs to one JavaScript thread. Other threads use only two things. The event thread reads its events,
// until it is told to stop (event_thread.h). A registration beside the event loop uses its domain, and keeps the domain
// (registration.h).
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

// All devices. The list is empty if the kernel does not support RDMA.
std::vector<Listing> listDevices(const FunctionTable& verbs);

class Context {
 public:
  // Opens the device `name`. Its events come through `events`, with `number`. Throws SystemError("ibv_get_device_list",
  // ENODEV) when no device has this name, and "ibv_open_device" when it cannot be opened.
  Context(Functions verbs, const std::string& name, EventThread& events, std::uint64_t number);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();  // destroys as many objects as possible

  const FunctionTable& verbs() const noexcept { return *verbs_; }
  ibv_context* device() const noexcept { return device_; }
  ObjectTable& objects() noexcept { return objects_; }
  EventThread& events() noexcept { return events_; }
  std::uint64_t number() const noexcept { return number_; }

  // Destroys all objects, and then closes the device. When the device refuses, it throws SystemError, and the device
  // stays open.
  void close();

  // The device has reported that it is gone, or that its driver has given up. From now on, an object is gone if
  // destroying it fails with EIO or ENODEV.
  void markRemoved() noexcept { removed_.store(true); }
  bool removed() const noexcept { return removed_.load(); }

  // Calls the function that destroys an object. Returns false when the device is gone: the kernel has freed the object
  // or will free it, and its memory in the library is lost. Throws SystemError when the device refuses.
  template <typename Made>
  bool end(const char* name, const std::function<int(Made*)>& function, Made* object) {
    requireFunction(name, function);
    const int error = function(object);
    if (error == 0) return true;
    if (removed() && (error == EIO || error == ENODEV)) return false;
    throw os::SystemError(name, error);
  }

  // True for Soft-RoCE (rdma_rxe), whose library returns completions as the kernel writes them. The device is asked
  // once.
  bool isSoftRoce();

  // The numbers of the datagram queue pairs. Only completions of these tell a sender and a header.
  void addDatagramPair(std::uint32_t number) { datagramPairs_.insert(number); }
  void dropDatagramPair(std::uint32_t number) noexcept { datagramPairs_.erase(number); }
  bool isDatagramPair(std::uint32_t number) const { return datagramPairs_.contains(number); }

  // Keeps memory whose registration was lost with its device. Only a closed context proves that the device no longer
  // uses the memory.
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
