#include "memory/under_way.h"

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "memory/process_wide.h"
#include "os/system_error.h"

namespace pinfold::memory {
namespace {

struct Counts {
  std::mutex mutex;
  UnderWay underWay{};
  std::uint64_t unlooked = 0;  // bytes announced since the kernel's counters were last read
};

}  // namespace

UnderWay underWay() {
  Counts& counts = processWide<Counts>();
  const std::scoped_lock lock(counts.mutex);
  return counts.underWay;
}

Announcement::Announcement(std::size_t size, std::optional<std::uint64_t> most) : left_(size) {
  Counts& counts = processWide<Counts>();
  const std::scoped_lock lock(counts.mutex);
  const bool isTaken = most ? counts.underWay.announced <= *most : counts.unlooked + size <= kUnlooked;
  if (!isTaken) throw os::SystemError("announce", EAGAIN);
  counts.unlooked = most ? 0 : counts.unlooked + size;
  counts.underWay.bytes += size;
  counts.underWay.announced += size;
}

Announcement::~Announcement() { populated(left_); }

void Announcement::populated(std::size_t size) noexcept {
  Counts& counts = processWide<Counts>();
  const std::scoped_lock lock(counts.mutex);
  const std::uint64_t done = std::min<std::uint64_t>(left_, size);
  left_ -= done;
  counts.underWay.bytes -= done;
}

}  // namespace pinfold::memory
