#include "os/signal_watch.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>

namespace pinfold::os {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};

// A signal handler can reach only static data. The main thread alone writes `before` and `isOurs`. The handler may run
// on any thread, and writes `last`.
struct Caught {
  std::array<struct sigaction, kSignals.size()> before{};
  std::array<bool, kSignals.size()> isOurs{};
  std::atomic<int> last = 0;
};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler must not wait for a lock");
Caught caughtSignals;

void onSignal(int number, siginfo_t* info, void* context) {
  caughtSignals.last.store(number, std::memory_order_relaxed);
  for (std::size_t at = 0; at < kSignals.size(); ++at) {
    if (kSignals.at(at) != number) continue;
    const struct sigaction& before = caughtSignals.before.at(at);
    if ((before.sa_flags & SA_SIGINFO) != 0) {
      before.sa_sigaction(number, info, context);
    } else {
      before.sa_handler(number);
    }
  }
}

// True if the program listens to the signal. The default action does not count, and neither does Node's own handler
// that ends the process (it resets itself: SA_RESETHAND).
bool isListenedTo(const struct sigaction& action) {
  if ((action.sa_flags & SA_RESETHAND) != 0) return false;
  return (action.sa_flags & SA_SIGINFO) != 0 || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}

// The main thread's id is that of the process. glibc wraps gettid(2) only since 2.30.
bool isMainThread() { return ::getpid() == ::syscall(SYS_gettid); }

}  // namespace

SignalWatch::SignalWatch() noexcept : watches_(isMainThread()) {
  if (!watches_) return;
  caughtSignals.last.store(0, std::memory_order_relaxed);
  for (std::size_t at = 0; at < kSignals.size(); ++at) {
    struct sigaction& before = caughtSignals.before.at(at);
    caughtSignals.isOurs.at(at) = ::sigaction(kSignals.at(at), nullptr, &before) == 0 && isListenedTo(before);
    if (!caughtSignals.isOurs.at(at)) continue;
    struct sigaction ours = before;
    ours.sa_flags |= SA_SIGINFO;
    ours.sa_sigaction = onSignal;
    caughtSignals.isOurs.at(at) = ::sigaction(kSignals.at(at), &ours, nullptr) == 0;
  }
}

SignalWatch::~SignalWatch() {
  if (!watches_) return;
  for (std::size_t at = 0; at < kSignals.size(); ++at) {
    if (caughtSignals.isOurs.at(at)) (void)::sigaction(kSignals.at(at), &caughtSignals.before.at(at), nullptr);
  }
}

int SignalWatch::caught() const noexcept { return watches_ ? caughtSignals.last.load(std::memory_order_relaxed) : 0; }

}  // namespace pinfold::os
