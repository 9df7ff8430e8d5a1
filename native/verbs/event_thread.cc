#include "verbs/event_thread.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "os/system_error.h"

namespace pinfold::verbs {
namespace {

constexpr std::uint64_t kEnd = 0;
// The number of events that are read from one source before the next source gets its turn.
constexpr int kTurn = 64;
// A source that fails this many times in a row is given up, since epoll would report it for ever.
constexpr int kMostFailures = 16;

void watch(int poll, int descriptor, std::uint64_t number) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = number;
  if (::epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) != 0) os::throwErrno("epoll_ctl");
}

void makeNonBlocking(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0 || ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0) os::throwErrno("fcntl");
}

}  // namespace

std::uint64_t EventThread::add(int descriptor, Read read) {
  makeNonBlocking(descriptor);
  const std::scoped_lock lock(mutex_);
  start();
  const std::uint64_t number = nextSource_++;
  sources_.emplace(number, Source{descriptor, std::move(read), 0});
  try {
    watch(poll_.number(), descriptor, number);
  } catch (const os::SystemError&) {
    sources_.erase(number);
    throw;
  }
  return number;
}

void EventThread::remove(std::uint64_t source) noexcept {
  const std::scoped_lock lock(mutex_);
  const auto found = sources_.find(source);
  if (found == sources_.end()) return;
  (void)::epoll_ctl(poll_.number(), EPOLL_CTL_DEL, found->second.descriptor, nullptr);
  sources_.erase(found);
}

std::vector<Event> EventThread::take() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(events_, {});
}

void EventThread::start() {
  if (thread_.joinable() || stopped_) return;
  os::Descriptor poll(::epoll_create1(EPOLL_CLOEXEC));
  if (!poll.valid()) os::throwErrno("epoll_create1");
  os::Descriptor end(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!end.valid()) os::throwErrno("eventfd");
  watch(poll.number(), end.number(), kEnd);
  poll_ = std::move(poll);
  end_ = std::move(end);
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    throw os::SystemError("pthread_create", error.code().value());
  }
}

void EventThread::stop() noexcept {
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
  }
  if (!thread_.joinable()) return;
  (void)::eventfd_write(end_.number(), 1);
  thread_.join();
}

void EventThread::run() noexcept {
  constexpr int kMost = 16;
  std::array<epoll_event, kMost> ready{};
  for (;;) {
    const int count = ::epoll_wait(poll_.number(), ready.data(), kMost, -1);
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; ++i) {
      const std::uint64_t number = ready.at(static_cast<std::size_t>(i)).data.u64;
      if (number == kEnd) return;
      read(number);
    }
  }
}

int EventThread::readAll(const Read& read) noexcept {
  try {
    int error = 0;
    for (int turn = 0; turn < kTurn && error == 0; ++turn) error = read(events_);
    return error;
  } catch (const std::exception&) {
    // There is no memory to record the event. The event was acknowledged, so destroying its object does not wait for
    // it. JavaScript code that waits for the event is woken by the next event. Earlier events are delivered.
    return 0;
  }
}

void EventThread::read(std::uint64_t number) {
  bool wakes = false;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = sources_.find(number);
    if (found == sources_.end() || stopped_) return;
    Source& source = found->second;
    const bool hadEvents = !events_.empty();
    const int error = readAll(source.read);
    if (error == 0 || error == EAGAIN) {
      source.failures = 0;
    } else if (++source.failures == kMostFailures || error == EIO || error == ENODEV) {
      (void)::epoll_ctl(poll_.number(), EPOLL_CTL_DEL, source.descriptor, nullptr);
    }
    wakes = !hadEvents && !events_.empty();
  }
  if (wakes) wake_();
}

}  // namespace pinfold::verbs
