// The table contains the regions of this process, and counts their users. All threads share it.
//
// The table counts two things for each region. A user is a thread's attachment, a native job on the region's memory, or
// a registration. A lent buffer is an ArrayBuffer of a thread, or a range that an implicit registration has reached.
// JavaScript may keep an ArrayBuffer longer than the region.
//
// The last user that leaves closes the region: its pages go back to the kernel. The last buffer that comes back after
// that releases the address range. So a job of the runtime that still works on a closed region's bytes finds zeros,
// never an unmapped address.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "memory/mapping.h"

namespace pinfold::memory {

class RegionTable;

// One region. Its public fields never change. The table's lock guards its counts.
struct RegionEntry {
  RegionEntry(std::uint64_t number, Mapping&& pages, const MappingRequest& request, std::string text);

  const std::uint64_t id;
  const std::string name;
  const std::string description;  // opaque text from the maker, for the threads that attach
  const std::size_t pageSize;
  std::byte* const begin;
  const std::size_t size;

 private:
  friend class RegionTable;
  friend class RegionUser;
  std::unique_ptr<Mapping> mapping_;     // null once released
  std::shared_ptr<RegionEntry> itself_;  // set by remain(): the entry then lives for ever
  std::size_t users_ = 0;
  std::size_t buffers_ = 0;
  bool retiring_ = false;
  bool isKept_ = false;
};

// What is left to do when the last user has left a region: to give its pages back, which takes the kernel a second for
// gigabytes of small pages. The region is closed by then for all threads.
class Unmapping {
 public:
  Unmapping(Unmapping&&) noexcept = default;
  Unmapping& operator=(Unmapping&&) = delete;
  ~Unmapping();  // unmaps, on any thread

 private:
  friend class RegionTable;
  Unmapping(std::shared_ptr<RegionEntry> retiring, std::unique_ptr<Mapping> released) noexcept
      : retiring_(std::move(retiring)), released_(std::move(released)) {}
  std::shared_ptr<RegionEntry> retiring_;  // null if no buffer can reach the range
  std::unique_ptr<Mapping> released_;
};

// One user of a region. The destructor leaves the region, and unmaps it if this user was the last.
class RegionUser {
 public:
  RegionUser(RegionUser&& other) noexcept = default;
  RegionUser& operator=(RegionUser&&) = delete;
  ~RegionUser();

  const RegionEntry& entry() const noexcept { return *entry_; }
  // Leaves the region. Returns what is left to do, if this user was the last. Call nothing after it.
  std::optional<Unmapping> leave() noexcept;
  // Mapping::mapAgain. The range stays mapped when this user leaves.
  AddressRange mapAgain(std::size_t offset, std::size_t length) const;
  // Call this when something that is not counted can reach the bytes. A closed region then releases its pages, but
  // never its address range.
  void keepRange() noexcept;
  // Call this when a device may use the pages until the process ends: this user never leaves. Call nothing after it.
  void remain() noexcept;

 private:
  friend class RegionTable;
  friend class LentBuffer;
  explicit RegionUser(std::shared_ptr<RegionEntry> entry) noexcept : entry_(std::move(entry)) {}
  std::shared_ptr<RegionEntry> entry_;  // null when moved from
};

// Keeps a region's address range from being released. It does not keep the pages.
class LentBuffer {
 public:
  explicit LentBuffer(const RegionUser& user);
  LentBuffer(LentBuffer&&) noexcept = default;
  LentBuffer& operator=(LentBuffer&&) = delete;
  ~LentBuffer();

 private:
  std::shared_ptr<RegionEntry> entry_;
};

class RegionTable {
 public:
  struct Counts {
    std::size_t live;
    std::size_t closed;
    std::size_t buffers;
  };

  // The table belongs to the process, since a process has one address space.
  static RegionTable& process();

  RegionUser add(Mapping&& mapping, const MappingRequest& request, std::string description);
  // Returns nothing when the region is closed or never existed.
  std::optional<RegionUser> attach(std::uint64_t id);
  Counts counts() const;

 private:
  friend class RegionUser;
  friend class LentBuffer;
  friend class Unmapping;

  std::optional<Unmapping> leave(std::shared_ptr<RegionEntry>&& entry) noexcept;
  void retire(RegionEntry& entry) noexcept;
  void keepRange(RegionEntry& entry) noexcept;
  void remain(std::shared_ptr<RegionEntry>&& entry) noexcept;
  void lend(RegionEntry& entry);
  void takeBack(RegionEntry& entry) noexcept;

  mutable std::mutex mutex_;
  std::uint64_t nextId_ = 1;
  std::unordered_map<std::uint64_t, std::weak_ptr<RegionEntry>> live_;
  std::size_t closed_ = 0;
  std::size_t buffers_ = 0;
};

}  // namespace pinfold::memory
