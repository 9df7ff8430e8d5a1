// Waits for what devices tell by themselves: one thread, in epoll, for all devices that a JavaScript thread has open.
//
// One for each JavaScript thread, not for the process: it ends with that thread, by one join, and no event has to find
// its way between threads. It is started by the first device.
//
// A source is read under a lock, never blocking, and what was read is acknowledged at once. So once remove() has
// returned, nobody reads there, and no object waits for an acknowledgement that does not come.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "os/descriptor.h"

namespace pinfold::verbs {

enum class EventKind : std::uint8_t { Completion = 0, Async = 1 };  // src/native-verbs.ts, eventKind

struct Event {
  std::uint64_t context;  // number of the device
  EventKind kind;
  std::uint32_t element;  // handle, or number of a port
  int type;               // enum ibv_event_type
};

class EventThread {
 public:
  // Reads one event. Returns 0, EAGAIN when there is none, or another error number.
  using Read = std::function<int(std::vector<Event>&)>;

  // `wake` is called on the thread when there are events to take, and there were none before.
  explicit EventThread(std::function<void()> wake) : wake_(std::move(wake)) {}
  EventThread(const EventThread&) = delete;
  EventThread& operator=(const EventThread&) = delete;
  ~EventThread() { stop(); }

  // Reads `descriptor` from now on, which is made non-blocking. Throws SystemError.
  std::uint64_t add(int descriptor, Read read);
  void remove(std::uint64_t source) noexcept;

  std::vector<Event> take();

  // Joins the thread; sources are read no more. Not to be called on it.
  void stop() noexcept;

 private:
  struct Source {
    int descriptor;
    Read read;
    int failures;
  };

  void start();
  void run() noexcept;
  void read(std::uint64_t number);
  int readAll(const Read& read) noexcept;  // of one source, as it has its turn

  const std::function<void()> wake_;
  std::mutex mutex_;  // guards what follows
  std::uint64_t nextSource_ = 1;
  std::unordered_map<std::uint64_t, Source> sources_;
  std::vector<Event> events_;
  bool stopped_ = false;

  os::Descriptor poll_;
  os::Descriptor end_;
  std::thread thread_;
};

}  // namespace pinfold::verbs
