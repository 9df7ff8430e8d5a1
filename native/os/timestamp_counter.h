// The processor's timestamp counter (TSC), which an emulated machine reads as its own.
#pragma once

#include <cstdint>
#include <optional>

namespace pinfold::os {

struct TimestampReading {
  std::uint64_t ticks;
  std::uint64_t nanoseconds;  // CLOCK_MONOTONIC, at the same time
};

// Empty where the processor is no x86-64.
std::optional<TimestampReading> readTimestampCounter() noexcept;

}  // namespace pinfold::os
