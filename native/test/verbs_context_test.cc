#include "verbs/context.h"

#include <cerrno>
#include <condition_variable>
#include <memory>
#include <thread>
#include <vector>

#include "test/mapping_request.h"
#include "test/tap.h"
#include "verbs/completion_queue.h"
#include "verbs/fault_injection.h"
#include "verbs/memory_window.h"
#include "verbs/no_op_device.h"
#include "verbs/queue_pair.h"
#include "verbs/registration.h"
#include "verbs/work_layout.h"

namespace pinfold::verbs {
namespace {

// Waits for events as a JavaScript thread does: it is told that there are events, and then takes them.
class Inbox {
 public:
  void told() {
    const std::scoped_lock lock(mutex_);
    ++tellings_;
    changed_.notify_one();
  }
  std::vector<Event> wait(EventThread& events, std::size_t count) {
    std::vector<Event> all;
    while (all.size() < count) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return tellings_ > 0; });
      tellings_ = 0;
      lock.unlock();
      for (const Event& event : events.take()) all.push_back(event);
    }
    return all;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int tellings_ = 0;
};

struct Bench {
  NoOpDevice device;
  std::shared_ptr<Faults> faults = std::make_shared<Faults>();
  Inbox inbox;
  EventThread events{[this] { inbox.told(); }};

  std::unique_ptr<Context> open(std::uint64_t number = 1) {
    return std::make_unique<Context>(withFaults(device.functions(), faults), "noop0", events, number);
  }
};

std::uint64_t regionOf(std::vector<memory::RegionUser>& users) {
  users.push_back(memory::RegionTable::process().add(test::made(test::requestOf()), test::requestOf(), ""));
  return users.back().entry().id;
}

Handle registered(Context& context, Handle domain, std::uint64_t region) {
  return Registration::ofRegion(context, domain, regionRange("test", region, 0, 8), std::nullopt, 0);
}

std::size_t liveRegions() { return memory::RegionTable::process().counts().live; }

TEST("a device that is not there is ENODEV, and what there is can be listed") {
  Bench bench;
  const std::vector<Listing> found = listDevices(bench.device.functions());
  CHECK_EQUAL(found.size(), 1U);
  CHECK_EQUAL(found[0].name, std::string("noop0"));
  int error = 0;
  try {
    const Context context(std::make_shared<const FunctionTable>(bench.device.functions()), "noop1", bench.events, 1);
  } catch (const os::SystemError& refusal) {
    error = refusal.error();
  }
  CHECK_EQUAL(error, ENODEV);
}

TEST("a provider that makes nothing and says no errno has not lost its device") {
  NoOpDevice device;
  FunctionTable table = device.functions();
  table.allocPd = [](ibv_context*) -> ibv_pd* { return nullptr; };
  EventThread events([] {});
  Context context(std::make_shared<const FunctionTable>(table), "noop0", events, 1);
  int error = 0;
  try {
    (void)ProtectionDomain::allocate(context);
  } catch (const os::SystemError& refusal) {
    error = refusal.error();
  }
  CHECK_EQUAL(error, EPROTO);
}

TEST("a registration keeps its region until it is gone, whoever else has left") {
  Bench bench;
  auto context = bench.open();
  std::vector<memory::RegionUser> users;
  const std::uint64_t region = regionOf(users);
  const Handle domain = ProtectionDomain::allocate(*context);
  const Handle handle = registered(*context, domain, region);
  users.clear();
  CHECK_EQUAL(liveRegions(), 1U);
  context->objects().destroy<Registration>("test", handle);
  CHECK_EQUAL(liveRegions(), 0U);
  context->close();
  CHECK_EQUAL(bench.faults->live(), 0);
}

TEST("a context that ends destroys everything that is open, and lets go of the regions") {
  Bench bench;
  std::vector<memory::RegionUser> users;
  {
    auto context = bench.open();
    const Handle domain = ProtectionDomain::allocate(*context);
    (void)registered(*context, domain, regionOf(users));
    (void)MemoryWindow::allocate(*context, domain, IBV_MW_TYPE_2);
    const Handle channel = CompletionChannel::create(*context);
    const Handle queue = CompletionQueue::create(*context, {16, channel, 0, false, false});
    (void)QueuePair::create(*context, {IBV_QPT_RC, domain, queue, queue, 0, {1, 1, 1, 1, 0}, false});
    users.clear();
  }
  CHECK_EQUAL(bench.faults->live(), 0);
  CHECK_EQUAL(liveRegions(), 0U);
}

TEST("a region whose deregistration fails while its context ends stays for ever") {
  Bench bench;
  std::vector<memory::RegionUser> users;
  const std::byte* begin = nullptr;
  {
    auto context = bench.open();
    (void)registered(*context, ProtectionDomain::allocate(*context), regionOf(users));
    begin = users.back().entry().begin;
    users.clear();
    bench.faults->remove();  // no event reports this, so it may be a temporary fault of the driver
  }
  CHECK_EQUAL(liveRegions(), 1U);
  CHECK_EQUAL(static_cast<int>(*begin), 0);  // still mapped
}

TEST("what a removed device does not destroy goes, and its memory stays until the context is closed") {
  Bench bench;
  const std::size_t before = liveRegions();
  std::vector<memory::RegionUser> users;
  auto context = bench.open();
  const Handle domain = ProtectionDomain::allocate(*context);
  const Handle handle = registered(*context, domain, regionOf(users));
  users.clear();
  bench.faults->remove();
  int error = 0;
  try {
    context->objects().destroy<Registration>("test", handle);
  } catch (const os::SystemError& refusal) {
    error = refusal.error();
  }
  CHECK_EQUAL(error, EIO);  // no event has reported yet that the device is gone
  bench.device.happen(IBV_EVENT_DEVICE_FATAL, 0);
  CHECK_EQUAL(bench.inbox.wait(bench.events, 1)[0].type, static_cast<int>(IBV_EVENT_DEVICE_FATAL));
  context->objects().destroy<Registration>("test", handle);
  CHECK_EQUAL(liveRegions(), before + 1);
  context->close();
  CHECK_EQUAL(liveRegions(), before);
}

TEST("events name the port, or the queue by its handle") {
  Bench bench;
  auto context = bench.open(42);
  bench.device.happen(IBV_EVENT_PORT_ERR, 1);
  const Event event = bench.inbox.wait(bench.events, 1)[0];
  CHECK_EQUAL(event.context, 42U);
  CHECK_EQUAL(event.element, 1U);

  const Handle domain = ProtectionDomain::allocate(*context);
  const Handle channel = CompletionChannel::create(*context);
  const Handle queue = CompletionQueue::create(*context, {16, channel, 0, false, false});
  const Handle pair = QueuePair::create(*context, {IBV_QPT_RC, domain, queue, queue, 0, {4, 4, 1, 1, 0}, true});
  auto& qp = context->objects().get<QueuePair>("test", pair);
  ibv_qp_attr ready{};
  ready.qp_state = IBV_QPS_RTS;
  qp.modify(ready, IBV_QP_STATE);
  context->objects().get<CompletionQueue>("test", queue).requestNotification(false);
  std::vector<std::uint32_t> words(kSendHeaderWords);
  words[send_word::kOpcode] = IBV_WR_SEND;
  qp.postSend(words, words.size(), 1);
  const Event completion = bench.inbox.wait(bench.events, 1)[0];
  CHECK(completion.kind == EventKind::Completion);
  CHECK_EQUAL(completion.element, queue);
}

TEST("channels come and go while events arrive, and none is read once it is gone") {
  Bench bench;
  auto context = bench.open();
  std::atomic<bool> ends = false;
  std::thread storm([&] {
    while (!ends) bench.device.happen(IBV_EVENT_GID_CHANGE, 1);
  });
  for (int round = 0; round < 200; ++round) {
    const Handle channel = CompletionChannel::create(*context);
    context->objects().destroy<CompletionChannel>("test", channel);
    (void)bench.events.take();
  }
  ends = true;
  storm.join();
  context->close();
  CHECK_EQUAL(bench.faults->live(), 0);
}

TEST("the event thread ends while events arrive") {
  Bench bench;
  auto context = bench.open();
  std::thread storm([&] {
    for (int i = 0; i < 1000; ++i) bench.device.happen(IBV_EVENT_GID_CHANGE, 1);
  });
  bench.events.stop();
  storm.join();
}

}  // namespace
}  // namespace pinfold::verbs

TAP_MAIN()
