// The pages that back a mapping: hugetlb pages of one size, transparent huge pages, or base pages.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace pinfold::memory {

enum class PageKind : std::uint8_t { Base = 0, Transparent = 1, Hugetlb = 2 };  // src/native.ts, pageKind

struct PageSize {
  PageKind kind;
  std::size_t bytes;  // hugetlb: the page; transparent: the huge page, which is also the alignment; base: the base page

  // The flag bits by which memfd_create(2) and mmap(2) choose a hugetlb size.
  unsigned encoded(unsigned shift) const noexcept { return static_cast<unsigned>(std::countr_zero(bytes)) << shift; }
};

// sysconf(_SC_PAGESIZE), read once.
std::size_t basePageSize() noexcept;

constexpr std::size_t roundUp(std::size_t value, std::size_t unit) noexcept { return (value + unit - 1) / unit * unit; }

}  // namespace pinfold::memory
