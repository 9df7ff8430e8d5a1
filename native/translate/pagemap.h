// Reading /proc/<pid>/pagemap (Documentation/admin-guide/mm/pagemap.rst): one 64-bit entry for each base page of a
// process, by virtual address. What an entry's bits mean to a caller is src/translate/pagemap.ts's; here only as much
// as makes a physical address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "os/descriptor.h"

namespace pinfold::translate {

// In place of a physical address: so far below 0 that no offset which is added makes an address of it (src/native.ts,
// pageState).
constexpr double kAbsent = -0x1p60;
constexpr double kSwapped = -0x2p60;
constexpr double kHidden = -0x3p60;

class Pagemap {
 public:
  // Of another process; this one's for 0. Throws SystemError("open").
  explicit Pagemap(int pid);

  // This process's, opened once and never closed. Whether it shows page frame numbers was decided by the capabilities
  // at that moment.
  static const Pagemap& self();

  // The entry of `address`. Throws SystemError("pread").
  std::uint64_t entry(std::uint64_t address) const;

  // Entries of consecutive base pages from `address` on; 0 past the end of the address space. ESRCH for a process
  // without memory of its own.
  void entries(std::uint64_t address, std::span<std::uint64_t> out) const;

  // The displacement of each page at address + i * stride: its physical address minus offset + i * stride, or one of
  // the above. Pages in a row are contiguous where theirs are equal (src/translate/displacements.ts).
  void displacements(std::uint64_t address, std::size_t stride, std::uint64_t offset, std::span<double> out) const;

 private:
  void requireMemory() const;

  os::Descriptor file_;
};

}  // namespace pinfold::translate
