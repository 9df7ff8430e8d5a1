// Base pages that nobody has touched.
#pragma once

#include <sys/mman.h>

#include <cstddef>

#include "memory/address_range.h"
#include "memory/page_size.h"
#include "os/system_error.h"

namespace pinfold::test {

inline memory::AddressRange untouched(std::size_t pages) {
  const std::size_t size = pages * memory::basePageSize();
  void* const begin = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (begin == MAP_FAILED) os::throwErrno("mmap");
  (void)::madvise(begin, size, MADV_NOHUGEPAGE);
  return {static_cast<std::byte*>(begin), size};
}

}  // namespace pinfold::test
