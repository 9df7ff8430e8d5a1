#include "connections/channel.h"

#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <set>

#include "os/system_error.h"
#include "test/tap.h"

namespace pinfold::connections {
namespace {

// A connection manager that is only memory. It counts ids and acknowledgements, and gives events on demand.
struct Manager {
  std::mutex mutex;
  std::condition_variable changed;
  os::Descriptor source{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  rdma_event_channel channel{source.number()};
  std::deque<rdma_cm_event> events;
  std::set<rdma_cm_id*> live;
  int read = 0;
  int acknowledged = 0;
  int tellings = 0;

  rdma_cm_id* make(void* context) {
    auto* const id = new rdma_cm_id{};
    id->context = context;
    live.insert(id);
    return id;
  }

  void happen(const rdma_cm_event& event) {
    {
      const std::scoped_lock lock(mutex);
      events.push_back(event);
    }
    (void)::eventfd_write(source.number(), 1);
  }

  // Waits until JavaScript would have been woken this many times.
  void awaitTellings(int count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return tellings >= count; });
  }

  Functions functions() {
    auto table = std::make_shared<FunctionTable>();
    table->createEventChannel = [this] { return &channel; };
    table->destroyEventChannel = [](rdma_event_channel*) { return 0; };
    table->getEvent = [this](rdma_event_channel*, rdma_cm_event** event) {
      const std::scoped_lock lock(mutex);
      if (events.empty()) {
        eventfd_t value = 0;
        (void)::eventfd_read(source.number(), &value);
        return EAGAIN;
      }
      *event = new rdma_cm_event(events.front());
      events.pop_front();
      ++read;
      return 0;
    };
    table->ackEvent = [this](rdma_cm_event* event) {
      const std::scoped_lock lock(mutex);
      ++acknowledged;
      delete event;
      return 0;
    };
    table->createId = [this](rdma_event_channel*, rdma_cm_id** id, void* context, rdma_port_space) {
      *id = make(context);
      return 0;
    };
    table->destroyId = [this](rdma_cm_id* id) {
      live.erase(id);
      delete id;
      return 0;
    };
    return table;
  }
};

TEST("an event is copied with its private data and acknowledged at once") {
  Manager manager;
  verbs::EventThread events([&] {
    const std::scoped_lock lock(manager.mutex);
    ++manager.tellings;
    manager.changed.notify_one();
  });
  Channel channel(manager.functions(), events);
  const std::uint64_t number = channel.create(RDMA_PS_TCP);
  std::array<std::uint8_t, 3> data{1, 2, 3};
  rdma_cm_event event{};
  event.id = channel.id(number);
  event.event = RDMA_CM_EVENT_CONNECT_RESPONSE;
  event.param.conn.private_data = data.data();
  event.param.conn.private_data_len = 3;
  event.param.conn.qp_num = 77;
  manager.happen(event);
  manager.awaitTellings(1);
  data.fill(0);
  const std::vector<Arrival> taken = channel.take();
  CHECK_EQUAL(taken.size(), 1U);
  CHECK_EQUAL(taken[0].id, number);
  CHECK_EQUAL(taken[0].privateData.size(), 3U);
  CHECK_EQUAL(taken[0].privateData[2], 3);
  CHECK_EQUAL(taken[0].connection.qp_num, 77U);
  const std::scoped_lock lock(manager.mutex);
  CHECK_EQUAL(manager.acknowledged, 1);
}

TEST("the id of a request belongs to the channel, taken or not") {
  Manager manager;
  {
    verbs::EventThread events([&] {
      const std::scoped_lock lock(manager.mutex);
      ++manager.tellings;
      manager.changed.notify_one();
    });
    Channel channel(manager.functions(), events);
    const std::uint64_t listener = channel.create(RDMA_PS_TCP);
    rdma_cm_event event{};
    event.listen_id = channel.id(listener);
    event.event = RDMA_CM_EVENT_CONNECT_REQUEST;
    event.id = manager.make(nullptr);
    manager.happen(event);
    manager.awaitTellings(1);
    const std::vector<Arrival> taken = channel.take();
    CHECK_EQUAL(taken.size(), 1U);
    CHECK_EQUAL(taken[0].id, listener);
    CHECK(taken[0].request != listener);
    CHECK_EQUAL(channel.id(taken[0].request), event.id);
    CHECK_EQUAL(events.take().size(), 1U);  // as JavaScript does when it is woken
    event.id = manager.make(nullptr);
    manager.happen(event);
    manager.awaitTellings(2);
    CHECK_EQUAL(manager.live.size(), 3U);
  }
  CHECK_EQUAL(manager.live.size(), 0U);
  CHECK_EQUAL(manager.read, manager.acknowledged);
}

TEST("an id that was destroyed is known no more") {
  Manager manager;
  verbs::EventThread events([] {});
  Channel channel(manager.functions(), events);
  const std::uint64_t number = channel.create(RDMA_PS_UDP);
  channel.destroy(number);
  int error = 0;
  try {
    (void)channel.id(number);
  } catch (const os::SystemError& failure) {
    error = failure.error();
  }
  CHECK_EQUAL(error, EBADF);
}

}  // namespace
}  // namespace pinfold::connections

TAP_MAIN()
