#include "memory/address_range.h"

#include <sys/mman.h>

#include <cstdint>
#include <map>
#include <mutex>

#include "memory/process_wide.h"

namespace pinfold::memory {
namespace {

struct Pending {
  std::mutex mutex;
  std::map<std::uintptr_t, std::size_t> ranges;  // begin to size; neighbours are always joined
};

Pending& pending() { return processWide<Pending>(); }

using Range = std::pair<const std::uintptr_t, std::size_t>;

bool unmapped(const Range& range) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the address came from mmap and is kept as a number to be ordered
  return ::munmap(reinterpret_cast<void*>(range.first), range.second) == 0;
}

void remember(std::map<std::uintptr_t, std::size_t>& ranges, std::uintptr_t begin, std::size_t size) {
  auto next = ranges.lower_bound(begin);
  if (next != ranges.end() && next->first == begin + size) {
    size += next->second;
    next = ranges.erase(next);
  }
  if (next != ranges.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == begin) {
      before->second += size;
      return;
    }
  }
  ranges.emplace(begin, size);
}

}  // namespace

void AddressRange::release() noexcept {
  if (size_ == 0) return;
  const auto begin = reinterpret_cast<std::uintptr_t>(begin_);
  const std::size_t size = std::exchange(size_, 0);
  begin_ = nullptr;
  Pending& waiting = pending();
  const std::scoped_lock lock(waiting.mutex);
  if (waiting.ranges.empty() && unmapped({begin, size})) return;
  remember(waiting.ranges, begin, size);
  for (auto range = waiting.ranges.begin(); range != waiting.ranges.end();) {
    range = unmapped(*range) ? waiting.ranges.erase(range) : std::next(range);
  }
}

std::size_t AddressRange::pendingCount() noexcept {
  Pending& waiting = pending();
  const std::scoped_lock lock(waiting.mutex);
  return waiting.ranges.size();
}

}  // namespace pinfold::memory
