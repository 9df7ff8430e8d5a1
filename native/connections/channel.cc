#include "connections/channel.h"

#include <cerrno>

#include "os/system_error.h"

namespace pinfold::connections {
namespace {

rdma_event_channel* makeChannel(const FunctionTable& functions) {
  errno = 0;
  rdma_event_channel* const made = functions.createEventChannel();
  if (made == nullptr) throw os::SystemError("rdma_create_event_channel", errno == 0 ? ENODEV : errno);
  return made;
}

void* contextOf(std::uint64_t number) {
  return reinterpret_cast<void*>(number);  // NOLINT(performance-no-int-to-ptr): it is never used as a pointer
}

std::uint64_t numberOf(const rdma_cm_id* id) { return reinterpret_cast<std::uint64_t>(id->context); }

// Only these events of a datagram id contain a peer.
bool tellsDatagramPeer(const rdma_cm_event& event) {
  if (event.event == RDMA_CM_EVENT_MULTICAST_JOIN) return true;
  return event.id->ps == RDMA_PS_UDP &&
         (event.event == RDMA_CM_EVENT_ESTABLISHED || event.event == RDMA_CM_EVENT_CONNECT_REQUEST);
}

// Copies an event. Its private data is in memory that ends with the acknowledgement.
Arrival copied(const rdma_cm_event& event) {
  Arrival arrival{};
  arrival.id = numberOf(event.listen_id == nullptr ? event.id : event.listen_id);
  arrival.type = event.event;
  arrival.status = event.status;
  arrival.isDatagram = tellsDatagramPeer(event);
  const void* data = nullptr;
  std::size_t size = 0;
  if (arrival.isDatagram) {
    arrival.datagram = event.param.ud;
    data = event.param.ud.private_data;
    size = event.param.ud.private_data_len;
  } else {
    arrival.connection = event.param.conn;
    data = event.param.conn.private_data;
    size = event.param.conn.private_data_len;
  }
  if (data != nullptr) {
    const auto* const bytes = static_cast<const std::uint8_t*>(data);
    arrival.privateData.assign(bytes, bytes + size);
  }
  arrival.connection.private_data = nullptr;
  arrival.datagram.private_data = nullptr;
  return arrival;
}

}  // namespace

Channel::Channel(Functions functions, verbs::EventThread& events)
    : functions_(std::move(functions)), events_(events), channel_(makeChannel(*functions_)) {
  try {
    source_ = events_.add(channel_->fd, [this](std::vector<verbs::Event>& into) { return readEvent(into); });
  } catch (const std::exception&) {
    (void)functions_->destroyEventChannel(channel_);
    throw;
  }
}

Channel::~Channel() {
  // An id waits for the acknowledgement of its events, so the event thread must have finished its turn.
  events_.remove(source_);
  for (const Arrival& arrival : arrivals_) {
    if (arrival.made != nullptr) (void)functions_->destroyId(arrival.made);
  }
  for (const auto& [number, id] : ids_) (void)functions_->destroyId(id);
  (void)functions_->destroyEventChannel(channel_);
}

std::uint64_t Channel::create(rdma_port_space space) {
  std::uint64_t number = 0;
  {
    const std::scoped_lock lock(mutex_);
    number = nextNumber_++;
  }
  const auto place = ids_.emplace(number, nullptr).first;
  const int error = functions_->createId(channel_, &place->second, contextOf(number), space);
  if (error == 0) return number;
  ids_.erase(place);
  throw os::SystemError("rdma_create_id", error);
}

void Channel::destroy(std::uint64_t number) {
  rdma_cm_id* const ended = id(number);
  const int error = functions_->destroyId(ended);
  // A device that is gone has taken its ids along.
  if (error != 0 && error != ENODEV && error != EIO) throw os::SystemError("rdma_destroy_id", error);
  ids_.erase(number);
}

rdma_cm_id* Channel::id(std::uint64_t number) const {
  const auto found = ids_.find(number);
  if (found == ids_.end()) throw os::SystemError("rdma_cm_id", EBADF);
  return found->second;
}

Description Channel::describe(std::uint64_t number) const {
  const rdma_cm_id* const one = id(number);
  return {one->verbs == nullptr ? "" : one->verbs->device->name, one->port_num, endpointOf(one->route.addr.src_addr),
          endpointOf(one->route.addr.dst_addr)};
}

std::vector<Arrival> Channel::take() {
  const std::scoped_lock lock(mutex_);
  // Room first: an exception must not lose an id.
  ids_.reserve(ids_.size() + arrivals_.size());
  for (Arrival& arrival : arrivals_) {
    if (arrival.made == nullptr) continue;
    ids_.emplace(arrival.request, arrival.made);
    arrival.made = nullptr;
  }
  return std::exchange(arrivals_, {});
}

// Runs on the event thread.
int Channel::readEvent(std::vector<verbs::Event>& into) {
  rdma_cm_event* event = nullptr;
  const int error = functions_->getEvent(channel_, &event);
  if (error != 0) return error;
  rdma_cm_id* const made = event->event == RDMA_CM_EVENT_CONNECT_REQUEST ? event->id : nullptr;
  try {
    into.reserve(into.size() + 1);
    Arrival arrival = copied(*event);
    const std::scoped_lock lock(mutex_);
    arrival.made = made;
    if (made != nullptr) {
      arrival.request = nextNumber_++;
      made->context = contextOf(arrival.request);
    }
    if (arrivals_.empty()) into.push_back({0, verbs::EventKind::Connection, 0, 0});
    arrivals_.push_back(std::move(arrival));
  } catch (const std::exception&) {
    // There is no memory for the event. Nobody learns of it, so a request to connect ends here. A caller that waits has
    // a time limit.
    (void)functions_->ackEvent(event);
    if (made != nullptr) (void)functions_->destroyId(made);
    return 0;
  }
  return functions_->ackEvent(event);
}

}  // namespace pinfold::connections
