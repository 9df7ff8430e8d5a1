// Finds the mapped pages of a process without reading an entry for each page that is not there: the ioctl PAGEMAP_SCAN
// of /proc/<pid>/pagemap (Linux 6.7, Documentation/admin-guide/mm/pagemap.rst). It also tells which pages a huge entry
// of the page tables maps, which pagemap's own entries do not contain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pinfold::translate {

// The categories of a stretch (include/uapi/linux/fs.h). src/native.ts has the same numbers.
constexpr std::uint64_t kScanPresent = 1U << 3U;
constexpr std::uint64_t kScanSwapped = 1U << 4U;
constexpr std::uint64_t kScanHuge = 1U << 6U;

// Pages in a row that have the same categories.
struct PageStretch {
  std::uint64_t start;
  std::uint64_t end;
  std::uint64_t categories;
};

struct PageScan {
  std::size_t found;   // how many stretches were written
  std::uint64_t next;  // where the scan ended: the end of the range, unless the stretches did not suffice
};

// Writes the stretches of present and swapped pages in [start, end) to `stretches`, in order. `pagemap` is an open
// /proc/<pid>/pagemap. Throws SystemError("ioctl"): ENOTTY on a kernel without PAGEMAP_SCAN.
PageScan scanPages(int pagemap, std::uint64_t start, std::uint64_t end, std::span<PageStretch> stretches);

}  // namespace pinfold::translate
