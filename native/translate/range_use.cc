#include "translate/range_use.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "memory/page_size.h"
#include "os/descriptor.h"
#include "os/system_error.h"
#include "translate/page_scan.h"
#include "translate/pagemap.h"

namespace pinfold::translate {
namespace {

// struct procmap_query of include/uapi/linux/fs.h, which the headers of Linux before 6.11 lack.
struct MapQuery {
  std::uint64_t size;
  std::uint64_t flags;
  std::uint64_t address;
  std::uint64_t start;
  std::uint64_t end;
  std::uint64_t permissions;
  std::uint64_t pageSize;
  std::uint64_t offset;
  std::uint64_t inode;
  std::uint32_t majorDevice;
  std::uint32_t minorDevice;
  std::uint32_t nameSize;
  std::uint32_t buildIdSize;
  std::uint64_t name;
  std::uint64_t buildId;
};
static_assert(sizeof(MapQuery) == 104);

constexpr unsigned long kMapQuery = _IOWR('f', 17, MapQuery);
constexpr std::uint64_t kCoveringOrNext = 0x10;
constexpr std::size_t kLongestName = 4096;
constexpr std::uint64_t kExclusive = 1ULL << 56U;  // pagemap: no other page table has the page

struct Part {
  std::uint64_t start;
  std::uint64_t end;
};

// The first mapping that ends behind `address`; false when there is none, or the kernel does not know the query.
bool query(int maps, std::uint64_t address, MapQuery& mapping, std::array<char, kLongestName>& name) {
  mapping = {};
  mapping.size = sizeof mapping;
  mapping.flags = kCoveringOrNext;
  mapping.address = address;
  mapping.nameSize = name.size();
  mapping.name = reinterpret_cast<std::uintptr_t>(name.data());
  return ::ioctl(maps, kMapQuery, &mapping) == 0;
}

// Adds a part that has base and transparent pages. False when some page is not present.
bool addPages(RangeUse& use, const Part& part) {
  std::array<PageStretch, 64> stretches;
  std::uint64_t present = 0;
  for (std::uint64_t at = part.start; at < part.end;) {
    const PageScan scan = scanPages(Pagemap::self().number(), at, part.end, stretches);
    for (const PageStretch& stretch : std::span(stretches).first(scan.found)) {
      if ((stretch.categories & kScanPresent) == 0) return false;
      present += stretch.end - stretch.start;
      if ((stretch.categories & kScanHuge) != 0) use.transparent += stretch.end - stretch.start;
    }
    at = scan.next;
  }
  if (present != part.end - part.start) return false;
  use.resident += present;
  // msync(2): MS_INVALIDATE alone does nothing, but answers EBUSY for locked memory.
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel's number for a mapping of this process
  const bool isLocked = ::msync(reinterpret_cast<void*>(part.start), present, MS_INVALIDATE) != 0 && errno == EBUSY;
  if (isLocked) use.locked += present;
  return true;
}

// The same for hugetlb pages.
bool addHugetlb(RangeUse& use, const Part& part, std::uint64_t pageSize) {
  for (std::uint64_t at = part.start; at < part.end; at += pageSize) {
    const std::uint64_t entry = Pagemap::self().entry(at);
    if ((entry & kPagemapPresent) == 0) return false;
    ((entry & kExclusive) == 0 ? use.hugetlbShared : use.hugetlbPrivate) += pageSize;
  }
  return true;
}

}  // namespace

std::optional<RangeUse> rangeUse(std::uint64_t address, std::uint64_t size) {
  const os::Descriptor maps(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
  if (!maps.valid()) os::throwErrno("open");
  const std::uint64_t end = address + size;
  RangeUse use;
  for (std::uint64_t at = address; at < end;) {
    MapQuery mapping;
    std::array<char, kLongestName> name;
    if (!query(maps.number(), at, mapping, name) || mapping.start > at) return std::nullopt;
    if (at == address) {
      use.name.assign(name.data(), mapping.nameSize == 0 ? 0 : mapping.nameSize - 1);
      use.pageSize = mapping.pageSize;
    }
    use.mapped += mapping.end - mapping.start;
    const Part part{.start = at, .end = std::min(end, mapping.end)};
    const bool isHugetlb = mapping.pageSize != memory::basePageSize();
    if (!(isHugetlb ? addHugetlb(use, part, mapping.pageSize) : addPages(use, part))) return std::nullopt;
    at = part.end;
  }
  return use;
}

}  // namespace pinfold::translate
