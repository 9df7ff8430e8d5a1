// An event thread waits, in epoll, for the events of all devices that a JavaScript thread has open.
//
// Each JavaScript thread has its own event thread. The event thread ends with that thread, by one join, and no event
// has to be passed between JavaScript threads. The first device starts the event thread.
//
// A source is read under a lock, without blocking, and each event is acknowledged at once. So after remove() has
// returned, nobody reads the source, and no object waits for an acknowledgement that never comes.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "os/descriptor.h"

namespace pinfold::verbs {

// src/native-verbs.ts, eventKind. `Connection`: the channel of connections has events (connections/channel.h).
enum class EventKind : std::uint8_t { Completion = 0, Async = 1, Connection = 2 };

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

  // The event thread calls `wake` when there are events to take and there were none before.
  explicit EventThread(std::function<void()> wake) : wake_(std::move(wake)) {}
  EventThread(const EventThread&) = delete;
  EventThread& operator=(const EventThread&) = delete;
  ~EventThread() { stop(); }

  // Makes `descriptor` non-blocking, and reads it from now on. Returns the number of the source. Throws SystemError.
  std::uint64_t add(int descriptor, Read read);
  void remove(std::uint64_t source) noexcept;

  std::vector<Event> take();

  // Joins the thread. No source is read after that. The event thread itself must not call this.
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
  int readAll(const Read& read) noexcept;  // reads one source for its turn

  const std::function<void()> wake_;
  std::mutex mutex_;  // guards the next four members
  std::uint64_t nextSource_ = 1;
  std::unordered_map<std::uint64_t, Source> sources_;
  std::vector<Event> events_;
  bool stopped_ = false;

  os::Descriptor poll_;
  os::Descriptor end_;
  std::thread thread_;
};

}  // namespace pinfold::verbs
