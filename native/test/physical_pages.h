// The physical addresses of pages, by virtual address, from the displacements that the core reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "translate/pagemap.h"

namespace pinfold::test {

inline void readPhysical(const translate::Pagemap& pagemap, std::uint64_t address, std::size_t stride,
                         std::span<double> pages) {
  pagemap.displacements(address, stride, 0, pages);
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (pages[i] > translate::kAbsent) pages[i] += static_cast<double>(i * stride);
  }
}

}  // namespace pinfold::test
