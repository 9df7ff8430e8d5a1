// A SignalWatch tells whether a signal came that asks the program to end (SIGINT, SIGTERM, SIGHUP). It watches only
// signals that the program listens to. Node's own handler only records a signal for the event loop, so a call that
// blocks the event loop's thread would not notice the signal.
//
// A SignalWatch works only on the main thread. On another thread it sees nothing, since the event loop of the main
// thread continues meanwhile. While it lives, its own handler replaces the handler of each such signal: it records the
// signal, and then calls the previous handler.
#pragma once

namespace pinfold::os {

class SignalWatch {
 public:
  SignalWatch() noexcept;
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch();

  // The number of the last signal that came since the watch began, or 0 if none came.
  int caught() const noexcept;

 private:
  bool watches_;
};

}  // namespace pinfold::os
