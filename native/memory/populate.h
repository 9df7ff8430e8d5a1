// Populating brings in every page of a mapping before the mapping is used. So a shortage is an error here, and never a
// SIGBUS later (design.md, law 1).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "memory/page_size.h"
#include "memory/under_way.h"

namespace pinfold::memory {

// A thread populates one chunk in 1 to 3 ms, and checks for cancellation before each chunk. With larger chunks, the
// other threads would be idle for longer while the last chunk is populated.
constexpr std::size_t kPopulateChunk = std::size_t{8} << 20U;

struct Populate {
  std::byte* begin;
  std::size_t size;
  PageSize page;
  unsigned threads;                            // includes the caller's thread
  std::span<const std::uint32_t> spread = {};  // nodes that get transparent pages in turn, one page each
  Announcement* announcement = nullptr;        // is told the size of each populated chunk
  bool mayHoldData = false;                    // an existing file may contain data, which must not change
  bool isShared = false;                       // a mapping of a file, to which the kernel gives small pages at a fault
};

// Faults in every page for writing, from several threads, in chunks (or in pages, if these are larger).
// If the kernel supports MADV_COLLAPSE, transparent mappings are collapsed to huge pages chunk by chunk. Shared ones
// have a single small page in each huge page by then: collapsing copies what is there, and clears the rest.
// MADV_COLLAPSE takes the huge page from the node of most of its small pages, and ignores the placement. So with
// `spread`, all small pages of one huge page come from one node. `cancelled` is checked before each chunk. If it is
// true, populate() throws SystemError("madvise", ECANCELED). A shortage throws SystemError("madvise") with the errno of
// the kernel, which does not tell the cause.
void populate(const Populate& request, const std::atomic<bool>& cancelled);

// populate() uses this on kernels before 5.14, which lack MADV_POPULATE_WRITE. It works on every kernel. The kernel
// accesses one byte of each page, so a shortage is EFAULT. If this process accessed the byte, a shortage would be
// SIGBUS. Returns errno, 0 for success.
// `Write` writes a zero. It is for new memory: in private memory, reading would only map the zero page.
// `Read` changes nothing, and brings in the pages of shared mappings.
enum class Touch : std::uint8_t { Write, Read };
int touchThroughKernel(std::byte* begin, std::size_t length, std::size_t pageSize, Touch touch);

}  // namespace pinfold::memory
