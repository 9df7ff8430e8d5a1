// Memory that is about to be populated, by any thread of this process. The kernel charges pages when they are touched,
// so its counters do not have it yet; whoever looks at them to see whether there is enough must add it.
//
// The kernel answers a shortage of base and transparent pages by killing a process, so somebody looks before each of
// them is populated. Looking takes 0.2 ms. So regions that are smaller than what that is worth go without, until they
// are as large together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace pinfold::memory {

// What regions may be together that nobody looks for. Looking keeps more than that free (src/system/cgroup.ts).
constexpr std::size_t kUnlooked = std::size_t{1} << 20U;

struct UnderWay {
  std::uint64_t bytes;      // announced, and not yet populated
  std::uint64_t announced;  // bytes in all, since the process began: only grows
};

UnderWay underWay();

// One region's, from before it is mapped until it is populated, or has failed.
class Announcement {
 public:
  // `most` is what underWay().announced may be now, by the counters that somebody has looked at; nothing: nobody has.
  // Throws SystemError("announce", EAGAIN) when others were faster, or too much was announced without a look: look, and
  // try again.
  Announcement(std::size_t size, std::optional<std::uint64_t> most);
  Announcement(const Announcement&) = delete;
  Announcement& operator=(const Announcement&) = delete;
  ~Announcement();

  // So many bytes more are there, and the kernel has counted them. From any thread.
  void populated(std::size_t size) noexcept;

 private:
  std::uint64_t left_;  // guarded by the lock of the process's counts
};

}  // namespace pinfold::memory
