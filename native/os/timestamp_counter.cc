#include "os/timestamp_counter.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include <ctime>

namespace pinfold::os {

#if defined(__x86_64__)

namespace {

std::uint64_t now() noexcept {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  timespec time = {};
  (void)::clock_gettime(CLOCK_MONOTONIC, &time);  // cannot fail: the clock exists, and `time` is valid
  return static_cast<std::uint64_t>(time.tv_sec) * kSecond + static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace

// Takes several readings, each between two readings of the clock. Returns the one that took the shortest time, since it
// was not interrupted.
std::optional<TimestampReading> readTimestampCounter() noexcept {
  constexpr int kReadings = 16;
  TimestampReading best{};
  std::uint64_t shortest = UINT64_MAX;
  for (int reading = 0; reading < kReadings; ++reading) {
    const std::uint64_t before = now();
    const std::uint64_t ticks = __rdtsc();
    const std::uint64_t took = now() - before;
    if (took >= shortest) continue;
    shortest = took;
    best = {ticks, before + took / 2};
  }
  return best;
}

#else

std::optional<TimestampReading> readTimestampCounter() noexcept { return std::nullopt; }

#endif

}  // namespace pinfold::os
