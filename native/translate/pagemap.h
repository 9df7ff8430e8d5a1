// Reads /proc/<pid>/pagemap (Documentation/admin-guide/mm/pagemap.rst). It contains one 64-bit entry for each base page
// of a process, by virtual address. src/translate/pagemap.ts explains the bits of an entry to callers. This file uses
// only the bits that give a physical address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "os/descriptor.h"

namespace pinfold::translate {

// These values replace a physical address (src/native.ts, pageState). They are so far below 0 that they stay negative
// when an offset is added.
constexpr double kAbsent = -0x1p60;
constexpr double kSwapped = -0x2p60;
constexpr double kHidden = -0x3p60;

constexpr std::uint64_t kPagemapPresent = 1ULL << 63;  // the bit of an entry whose page is in memory

class Pagemap {
 public:
  // Opens the pagemap of process `pid`, or of this process for 0. Throws SystemError("open").
  explicit Pagemap(int pid);

  // The pagemap of this process. It is opened once and never closed. The capabilities at that moment decide whether it
  // shows page frame numbers.
  static const Pagemap& self();

  int number() const noexcept { return file_.number(); }

  // The entry of `address`. Throws SystemError("pread").
  std::uint64_t entry(std::uint64_t address) const;

  // Reads the entries of consecutive base pages from `address` on. They are 0 past the end of the address space. Throws
  // SystemError("pread"): ESRCH for a process without memory of its own.
  void entries(std::uint64_t address, std::span<std::uint64_t> out) const;

  // The displacement of the page at address + i * stride is its physical address minus (offset + i * stride), or one of
  // the values above. Successive pages with equal displacements are contiguous (src/translate/displacements.ts).
  void displacements(std::uint64_t address, std::size_t stride, std::uint64_t offset, std::span<double> out) const;

 private:
  void requireMemory() const;

  os::Descriptor file_;
};

}  // namespace pinfold::translate
