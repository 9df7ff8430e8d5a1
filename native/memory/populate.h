// Bringing every page of a mapping in before anyone sees it, so that a shortage is an error here and never a SIGBUS
// later (design.md, law 1).
#pragma once

#include <atomic>
#include <cstddef>

#include "memory/page_size.h"

namespace pinfold::memory {

struct Populate {
  std::byte* begin;
  std::size_t size;
  PageSize page;
  unsigned threads;  // the caller's included
};

// Faults every page in for writing, from several threads, in chunks of 64 MiB or one page, whichever is larger.
// Transparent mappings are collapsed to huge pages chunk by chunk where the kernel has MADV_COLLAPSE.
// Between chunks it looks at `cancelled`, and then throws SystemError("madvise", ECANCELED).
// A shortage throws SystemError("madvise") with whatever errno the kernel gave: it does not tell the cause.
void populate(const Populate& request, const std::atomic<bool>& cancelled);

}  // namespace pinfold::memory
