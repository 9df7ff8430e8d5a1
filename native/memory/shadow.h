// A Shadow maps pages of regions a second time, into a range of addresses that belongs to somebody else: the memory of
// a WebAssembly instance. Code that is compiled for that memory then works on the region's own pages.
//
// The lifetime rule: the range is V8's. Native code maps into it, or retires what it mapped there, only while the owner
// of this object holds a strong reference to the range's buffer; V8 releases the range with everything in it, so this
// object gives nothing back in its destructor. Pages are never unmapped here: a retired mapping is replaced in place by
// anonymous memory. So the range has no hole at any time, and late readers find zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "memory/region_table.h"

namespace pinfold::memory {

class Shadow {
 public:
  Shadow(std::byte* begin, std::size_t size) noexcept : begin_(begin), size_(size) {}

  std::byte* begin() const noexcept { return begin_; }

  // Maps [offset, offset + length) of the region at `at`. Both begin at a page of the region, and the length is whole
  // pages. Throws SystemError of the call that failed ("mmap", "mremap"), ("mmap", EOPNOTSUPP) for memory that cannot
  // be mapped twice, and ("mmap", EEXIST) if something is mapped there; nothing is changed then.
  void map(const RegionUser& user, std::size_t offset, std::size_t length, std::size_t at);

  // Replaces what `map` mapped at `at` by empty memory. The region's pages are free then, as far as this mapping is
  // concerned. False if nothing is mapped there, or if the kernel refuses: then the pages stay mapped until the range
  // is released.
  bool retire(std::size_t at) noexcept;

 private:
  std::byte* begin_;
  std::size_t size_;
  std::map<std::size_t, std::size_t> mapped_;  // where, and how many bytes
};

}  // namespace pinfold::memory
