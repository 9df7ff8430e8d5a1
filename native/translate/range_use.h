// How much of a range of this process's memory is present, and on which pages. It reads this range alone, so its cost
// does not grow with what else the process has mapped. (The kernel computes /proc/self/smaps for all mappings.)
//
// Sources: the ioctl PROCMAP_QUERY of /proc/<pid>/maps (Linux 6.11, include/uapi/linux/fs.h), PAGEMAP_SCAN
// (page_scan.h), and bit 56 of a pagemap entry for hugetlb pages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace pinfold::translate {

// Bytes, as smaps counts them.
struct RangeUse {
  std::uint64_t mapped = 0;    // the size of all mappings that overlap the range
  std::uint64_t resident = 0;  // without hugetlb pages
  std::uint64_t hugetlbShared = 0;
  std::uint64_t hugetlbPrivate = 0;
  std::uint64_t transparent = 0;  // mapped by transparent huge pages
  std::uint64_t locked = 0;       // resident in mappings that are locked
  std::uint64_t pageSize = 0;     // the first mapping's
  std::string name;               // the first mapping's
};

// Nothing on a kernel without the ioctls. Nothing also when some page of the range is not present: whether a page of
// shared memory is swapped out is shown by smaps alone. Throws SystemError("open"), SystemError("pread").
std::optional<RangeUse> rangeUse(std::uint64_t address, std::uint64_t size);

}  // namespace pinfold::translate
