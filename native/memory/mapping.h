// A Mapping owns a region's pages. When the constructor returns, every page is present (populate.h). When it throws,
// nothing is left: no page, no descriptor and no file.
//
// Hugetlb pages keep the descriptor of their file, since only mmap(2) maps them a second time. mremap(2) does so with
// base and transparent pages, which therefore keep none.
//
// The address range has three states (design.md, law 1). It is live from the constructor on. retire() closes it: the
// pages are dropped, and the range reads as zeros. The destructor releases it.
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
#include "memory/mapping_room.h"
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
  std::shared_ptr<Announcement> announcement = nullptr;    // for base and transparent pages; shared, too
};

class Mapping {
 public:
  // Throws SystemError of the call that failed, or of MappingRoom; SystemError("madvise", ECANCELED) when `cancelled`
  // became true.
  Mapping(const MappingRequest& request, const std::atomic<bool>& cancelled);
  Mapping(Mapping&&) noexcept = default;
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() { dropPages(); }

  std::byte* begin() const noexcept { return begin_; }
  std::size_t size() const noexcept { return size_; }

  // The same pages at another address: [offset, offset + length), whole pages. Throws SystemError("mmap") or
  // SystemError("mremap"); EOPNOTSUPP for anonymous memory; EAGAIN for locked pages beyond RLIMIT_MEMLOCK.
  AddressRange mapAgain(std::size_t offset, std::size_t length) const;

  // Atomically replaces the pages by anonymous NORESERVE memory. The kernel gets its hugepages back at once, and late
  // readers see zeros. The guards are replaced, too, so that neighbouring closed ranges merge into one kernel mapping.
  // If the kernel refuses (RLIMIT_DATA, RLIMIT_AS, vm.max_map_count, strict overcommit), the pages stay until the range
  // is released.
  void retire() noexcept;

  // The range stays mapped until the process ends, live or closed. The destructor releases only the rest.
  void disownRange() noexcept {
    whole_.disown();
    room_.keep();
  }

 private:
  void closeDescriptors() noexcept;
  void fill(const MappingRequest& request, const std::atomic<bool>& cancelled);
  // Takes small pages out of the address space, in pieces. The kernel locks the address space while it unmaps, and
  // other threads wait for that lock in page faults, mmap and munmap: for a second, if it unmaps gigabytes in one call.
  // Pages of which the kernel refuses this (locked ones, before Linux 5.18) stay. Hugetlb pages stay, too: they are
  // few, and a thread that still writes would get SIGBUS if the hugepage pool had no other page for it.
  void dropPages() noexcept;

  MappingRoom room_;  // the first member, so it is given back when all is unmapped
  std::byte* begin_ = nullptr;
  std::size_t size_ = 0;
  os::Descriptor memory_;  // a memfd of hugetlb pages
  std::optional<BackingFile> file_;
  std::shared_ptr<const AdoptedMemory> adopted_;  // of hugetlb pages
  bool isShared_ = false;
  bool isHugetlb_ = false;
  bool dump_ = false;
  AddressRange whole_;  // with its guards; the last member, so it is unmapped before the file is closed
};

}  // namespace pinfold::memory
