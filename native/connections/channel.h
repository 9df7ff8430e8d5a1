// A Channel is the event channel of one JavaScript thread, and owns all connection ids (rdma_cm_id) of that thread.
//
// The event thread reads the channel (verbs/event_thread.h). It copies each event and acknowledges it at once, so
// destroying an id never waits for JavaScript. All other calls belong to the JavaScript thread.
//
// An id has a number, which is never given again. A request to connect comes with an id of its own; take() adopts it.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "connections/address.h"
#include "connections/function_table.h"
#include "verbs/event_thread.h"

namespace pinfold::connections {

// An event, with everything that it contains.
struct Arrival {
  std::uint64_t id;       // the id that it belongs to; of a request to connect, the listening id
  std::uint64_t request;  // the number of a new id; 0 for none
  rdma_cm_event_type type;
  int status;       // a negative error number, or the reason of a rejection
  bool isDatagram;  // which of the next two is valid
  rdma_conn_param connection;
  rdma_ud_param datagram;
  std::vector<std::uint8_t> privateData;
  rdma_cm_id* made;  // the new id; null for none
};

// What is known of an id. `device` is '' before an address has chosen it.
struct Description {
  std::string device;
  std::uint8_t port;
  Endpoint local;
  Endpoint peer;
};

class Channel {
 public:
  // Throws SystemError of libraryFunctions(), and "rdma_create_event_channel" when the kernel has no rdma_ucm.
  Channel(Functions functions, verbs::EventThread& events);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();

  std::uint64_t create(rdma_port_space space);
  void destroy(std::uint64_t number);
  // Throws SystemError("rdma_cm_id", EBADF) when there is no such id.
  rdma_cm_id* id(std::uint64_t number) const;
  Description describe(std::uint64_t number) const;
  const FunctionTable& functions() const noexcept { return *functions_; }

  // The events since the last call.
  std::vector<Arrival> take();

 private:
  int readEvent(std::vector<verbs::Event>& into);

  const Functions functions_;
  verbs::EventThread& events_;
  rdma_event_channel* channel_;
  std::uint64_t source_ = 0;
  std::unordered_map<std::uint64_t, rdma_cm_id*> ids_;

  std::mutex mutex_;  // guards the next two members
  std::uint64_t nextNumber_ = 1;
  std::vector<Arrival> arrivals_;
};

}  // namespace pinfold::connections
