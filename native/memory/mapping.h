// A Mapping owns a region's pages. It is made whole or not at all: when the constructor returns, every page is present
// (populate.h), or it has thrown and nothing is left, neither page nor descriptor nor file.
//
// Three states of its address range (design.md, law 1): live from the constructor on; closed by retire(), which drops
// the pages and keeps the range readable as zeros; released by the destructor.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "memory/address_range.h"
#include "memory/adopted_memory.h"
#include "memory/backing_file.h"
#include "memory/page_size.h"
#include "memory/placement.h"
#include "memory/under_way.h"
#include "os/descriptor.h"

namespace pinfold::memory {

enum class Backing : std::uint8_t { Memfd = 0, Anonymous = 1, File = 2, Adopted = 3 };  // src/native.ts, backingKind

struct MappingRequest {
  std::string name;  // shown in /proc/self/maps as pinfold:<name>
  std::size_t size;  // a multiple of the hugetlb page or the base page
  PageSize page;
  Backing backing;
  std::string path;  // a file on a hugetlbfs mount, for Backing::File
  bool lock;         // mlock: base and transparent pages (hugetlb pages are never swapped)
  bool guard;        // an inaccessible page on both sides
  bool dump;         // contents go into core dumps
  bool keepFile;     // Backing::File: the file outlives the region
  Placement placement;
  unsigned threads;
  std::shared_ptr<const AdoptedMemory> adopted = nullptr;  // Backing::Adopted; shared by copies of the request
  std::shared_ptr<Announcement> announcement = nullptr;    // of base and transparent pages; shared likewise
};

class Mapping {
 public:
  // Throws SystemError of the call that failed; SystemError("madvise", ECANCELED) when `cancelled` became true.
  Mapping(const MappingRequest& request, const std::atomic<bool>& cancelled);
  Mapping(Mapping&&) noexcept = default;
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() = default;

  std::byte* begin() const noexcept { return begin_; }
  std::size_t size() const noexcept { return size_; }

  // Replaces the pages in place and atomically by anonymous NORESERVE memory: the kernel has its hugepages back at
  // once, late readers see zeros. Guards go too, so that neighbouring closed ranges merge into one kernel mapping. If
  // the kernel refuses (RLIMIT_DATA, RLIMIT_AS, vm.max_map_count, strict overcommit), the pages stay until the range is
  // released.
  void retire() noexcept;

  // The range, in whichever state it is, stays until the process ends; the rest goes with this.
  void disownRange() noexcept { whole_.disown(); }

 private:
  std::byte* begin_ = nullptr;
  std::size_t size_ = 0;
  os::Descriptor memory_;  // memfd: kept, since it is what another process would be given
  std::optional<BackingFile> file_;
  AddressRange whole_;  // guards included; the last member, so that the range goes before file and descriptor
};

}  // namespace pinfold::memory
