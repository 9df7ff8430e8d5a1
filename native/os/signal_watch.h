// A SignalWatch tells whether a signal came, of those that ask a program to end, to which the program listens. Node's
// own handler only notes it for the event loop, so that a call that waits on the event loop's thread would be deaf.
//
// Of the main thread alone: on any other one the event loop goes on, and a watch sees nothing. While it lives, the
// handler of each such signal is one that counts it and then calls the one from before.
#pragma once

namespace pinfold::os {

class SignalWatch {
 public:
  SignalWatch() noexcept;
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch();

  // The number of the last one that came since the watch began, 0 when none did.
  int caught() const noexcept;

 private:
  bool watches_;
};

}  // namespace pinfold::os
