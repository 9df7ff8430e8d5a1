#include "memory/address_range.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include "memory/process_wide.h"

namespace pinfold::memory {
namespace {

using Ranges = std::map<std::uintptr_t, std::size_t>;  // begin to size

bool unmapped(std::uintptr_t begin, std::size_t size) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the address came from mmap and is kept as a number to be ordered
  return ::munmap(reinterpret_cast<void*>(begin), size) == 0;
}

bool unmapped(Ranges::const_reference range) noexcept { return unmapped(range.first, range.second); }

// Ranges that munmap could not release yet. Neighbouring ranges are always joined.
class Pending {
 public:
  bool empty() const noexcept { return count_.load() == 0; }
  std::size_t count() const noexcept { return count_.load(); }

  void release(std::uintptr_t begin, std::size_t size) noexcept {
    const std::scoped_lock lock(mutex_);
    try {
      const auto joined = remember(begin, size);
      if (unmapped(*joined)) {
        ranges_.erase(joined);
        retry();
      }
    } catch (const std::bad_alloc&) {
      // There is no memory to record the range. Either munmap succeeds now, or the range stays mapped for ever. In both
      // cases it never gets a second owner.
      (void)unmapped(begin, size);
    }
    count_.store(ranges_.size());
  }

 private:
  Ranges::iterator remember(std::uintptr_t begin, std::size_t size) {
    const auto next = ranges_.lower_bound(begin);
    const bool meetsNext = next != ranges_.end() && next->first == begin + size;
    const auto before = next == ranges_.begin() ? ranges_.end() : std::prev(next);
    const bool meetsBefore = before != ranges_.end() && before->first + before->second == begin;
    const auto joined = meetsBefore ? before : ranges_.emplace_hint(next, begin, 0);
    joined->second += size;
    if (meetsNext) {
      joined->second += next->second;
      ranges_.erase(next);
    }
    return joined;
  }

  // A released range may have made room for further splits, so the waiting ranges are tried again. The first refusal
  // ends the round; otherwise a thousand waiting ranges would cost a thousand calls each time. The next round begins
  // behind the refused range.
  void retry() noexcept {
    for (std::size_t left = ranges_.size(); left > 0; --left) {
      auto range = ranges_.lower_bound(next_);
      if (range == ranges_.end()) range = ranges_.begin();
      next_ = range->first + range->second;
      if (!unmapped(*range)) return;
      ranges_.erase(range);
    }
  }

  std::mutex mutex_;
  Ranges ranges_;
  std::uintptr_t next_ = 0;
  std::atomic<std::size_t> count_ = 0;
};

Pending& pending() { return processWide<Pending>(); }

}  // namespace

void AddressRange::release() noexcept {
  if (size_ == 0) return;
  const auto begin = reinterpret_cast<std::uintptr_t>(std::exchange(begin_, nullptr));
  const std::size_t size = std::exchange(size_, 0);
  // While no range waits, munmap runs without the lock, since the kernel needs long for gigabytes of small pages.
  if (pending().empty() && unmapped(begin, size)) return;
  pending().release(begin, size);
}

std::size_t AddressRange::pendingCount() noexcept { return pending().count(); }

}  // namespace pinfold::memory
