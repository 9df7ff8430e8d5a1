// Bringing every page of a mapping in before anyone sees it, so that a shortage is an error here and never a SIGBUS
// later (design.md, law 1).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "memory/page_size.h"
#include "memory/under_way.h"

namespace pinfold::memory {

// What a thread populates before it looks again whether to go on: 1 to 3 ms. Threads take chunks as they get done; with
// larger ones the last to start leaves the others idle.
constexpr std::size_t kPopulateChunk = std::size_t{8} << 20U;

struct Populate {
  std::byte* begin;
  std::size_t size;
  PageSize page;
  unsigned threads;                            // the caller's included
  std::span<const std::uint32_t> spread = {};  // nodes that transparent pages go round, one page each
  Announcement* announcement = nullptr;        // that is told of each chunk
  bool mayHoldData = false;  // somebody else's bytes may be there already (a file of theirs); they stay as they are
};

// Faults every page in for writing, from several threads, in chunks (or pages, where those are larger).
// Transparent mappings are collapsed to huge pages chunk by chunk where the kernel has MADV_COLLAPSE. That takes a huge
// page from the node that most of its small pages are on, whatever the placement: so `spread` has them all on one.
// Between chunks it looks at `cancelled`, and then throws SystemError("madvise", ECANCELED).
// A shortage throws SystemError("madvise") with whatever errno the kernel gave: it does not tell the cause.
void populate(const Populate& request, const std::atomic<bool>& cancelled);

// What populate() does on kernels before 5.14, which have no MADV_POPULATE_WRITE; any kernel can do it. Returns errno,
// 0 for success. It has the kernel access one byte of each page, so that a shortage is EFAULT instead of the SIGBUS
// that an access of ours would earn. `Write` leaves a zero there: for new memory, which may be private, so that reading
// would only map the zero page. `Read` changes nothing, and brings in the pages of shared mappings.
enum class Touch : std::uint8_t { Write, Read };
int touchThroughKernel(std::byte* begin, std::size_t length, std::size_t pageSize, Touch touch);

}  // namespace pinfold::memory
