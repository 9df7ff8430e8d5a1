// An owned file descriptor. The destructor closes it.
#pragma once

#include <unistd.h>

#include <utility>

namespace pinfold::os {

class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }

  int number() const noexcept { return number_; }
  bool valid() const noexcept { return number_ >= 0; }

  // Another owner closes it from now on.
  int release() noexcept { return std::exchange(number_, -1); }

  void reset() noexcept {
    // close(2): on Linux the descriptor is gone even when close fails, so there is nothing to retry.
    if (number_ >= 0) (void)::close(std::exchange(number_, -1));
  }

 private:
  int number_ = -1;
};

}  // namespace pinfold::os
