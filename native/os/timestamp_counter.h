// The processor's timestamp counter (TSC). An emulated machine of the lab reads this counter as its own.
#pragma once

#include <cstdint>
#include <optional>

namespace pinfold::os {

struct TimestampReading {
  std::uint64_t ticks;
  std::uint64_t nanoseconds;  // CLOCK_MONOTONIC, at the same time
};

// Returns nothing when the processor is not an x86-64.
std::optional<TimestampReading> readTimestampCounter() noexcept;

}  // namespace pinfold::os
