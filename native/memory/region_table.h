// The regions of this process, shared by all its threads, and who uses them.
//
// A region has users (each thread's attachment, each native job on its memory, later each registration) and lent
// buffers (each thread's ArrayBuffers, which JavaScript may keep longer than it keeps the region). The last user to
// leave closes it: the pages go back to the kernel. The last buffer to come back after that releases the address range.
// So a job of the runtime that still works on a closed region's bytes finds zeros, never an unmapped address.
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

// One region. Constant but for its counts, which the table's lock guards.
struct RegionEntry {
  RegionEntry(std::uint64_t number, Mapping&& pages, const MappingRequest& request, std::string text);

  const std::uint64_t id;
  const std::string name;
  const std::string description;  // opaque: what the maker wants to tell whoever attaches
  const std::size_t pageSize;
  std::byte* const begin;
  const std::size_t size;

 private:
  friend class RegionTable;
  std::unique_ptr<Mapping> mapping_;     // null once released
  std::shared_ptr<RegionEntry> itself_;  // of one that a user has left behind for ever
  std::size_t users_ = 0;
  std::size_t buffers_ = 0;
  bool retiring_ = false;
  bool isKept_ = false;
};

// One user of a region; leaving is the destructor's.
class RegionUser {
 public:
  RegionUser(RegionUser&& other) noexcept = default;
  RegionUser& operator=(RegionUser&&) = delete;
  ~RegionUser();

  const RegionEntry& entry() const noexcept { return *entry_; }
  // Something that cannot be counted reaches the bytes: once closed, the range is never released. Its pages are.
  void keepRange() noexcept;
  // A device may use the pages for as long as the process lives: this user never leaves. Nothing else is to be called.
  void remain() noexcept;

 private:
  friend class RegionTable;
  friend class LentBuffer;
  explicit RegionUser(std::shared_ptr<RegionEntry> entry) noexcept : entry_(std::move(entry)) {}
  std::shared_ptr<RegionEntry> entry_;  // null when moved from
};

// Keeps a region's address range from being released, though not its pages.
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

  // Static mutable state, the only one: a process has one address space.
  static RegionTable& process();

  RegionUser add(Mapping&& mapping, const MappingRequest& request, std::string description);
  // Nothing when the region is closed or never was.
  std::optional<RegionUser> attach(std::uint64_t id);
  Counts counts() const;

 private:
  friend class RegionUser;
  friend class LentBuffer;

  void leave(RegionEntry& entry) noexcept;
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
