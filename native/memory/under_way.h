// Memory under way is memory that a thread of this process is about to populate. The kernel charges pages when they are
// touched, so its counters do not contain this memory yet. A check for enough memory must add it to the counters.
//
// The kernel answers a shortage of base and transparent pages by killing a process. So the kernel's counters are read
// before such pages are populated. This takes 0.2 ms, too long for small regions: these are populated without it, until
// they add up to kUnlooked bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace pinfold::memory {

// Regions may add up to this many bytes without a look at the counters. The check keeps more than that free
// (src/system/cgroup.ts).
constexpr std::size_t kUnlooked = std::size_t{1} << 20U;

struct UnderWay {
  std::uint64_t bytes;      // announced, and not yet populated
  std::uint64_t announced;  // all bytes since the process began; only grows
};

UnderWay underWay();

// The announcement of one region. It exists from before the region is mapped until it is populated, or has failed.
class Announcement {
 public:
  // `most` is the highest value of underWay().announced for which there is enough memory, by the counters that the
  // caller has read. It is empty if the caller has not read them. Throws SystemError("announce", EAGAIN) when other
  // threads announced more meanwhile, or when too much was announced without reading the counters. Then read the
  // counters, and try again.
  Announcement(std::size_t size, std::optional<std::uint64_t> most);
  Announcement(const Announcement&) = delete;
  Announcement& operator=(const Announcement&) = delete;
  ~Announcement();

  // `size` more bytes are present, and the kernel has counted them. Any thread may call this.
  void populated(std::size_t size) noexcept;

 private:
  std::uint64_t left_;  // guarded by the lock of the process's counts
};

}  // namespace pinfold::memory
