#include "verbs/event_thread.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <condition_variable>
#include <new>

#include "test/tap.h"

namespace pinfold::verbs {
namespace {

TEST("what was read before the memory ran out is told, and so is what comes later") {
  std::mutex mutex;
  std::condition_variable changed;
  int tellings = 0;
  const os::Descriptor source(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  EventThread events([&] {
    const std::scoped_lock lock(mutex);
    ++tellings;
    changed.notify_one();
  });
  bool isSecond = false;
  (void)events.add(source.number(), [&](std::vector<Event>& into) {
    if (isSecond) {
      eventfd_t value = 0;
      (void)::eventfd_read(source.number(), &value);
      isSecond = false;
      throw std::bad_alloc();
    }
    eventfd_t value = 0;
    if (::eventfd_read(source.number(), &value) != 0) return EAGAIN;
    into.push_back({1, EventKind::Async, 0, 0});
    isSecond = true;
    return 0;
  });
  for (int round = 1; round <= 3; ++round) {
    (void)::eventfd_write(source.number(), 1);
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return tellings == round; });
    lock.unlock();
    CHECK_EQUAL(events.take().size(), 1U);
  }
}

}  // namespace
}  // namespace pinfold::verbs

TAP_MAIN()
