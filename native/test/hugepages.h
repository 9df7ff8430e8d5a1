// The hugepages of the machine. A test that needs hugepages is skipped if too few are free. The test runner lends some.
#pragma once

#include <cstddef>
#include <fstream>
#include <string>

#include "test/kernel_view.h"
#include "test/tap.h"

namespace pinfold::test {

// The number of hugepages of this size that a new mapping could get.
inline std::size_t availableHugepages(std::size_t pageSize) {
  const std::string pool = "/sys/kernel/mm/hugepages/hugepages-" + std::to_string(pageSize >> 10U) + "kB/";
  const std::size_t free = numberIn(pool + "free_hugepages");
  const std::size_t reserved = numberIn(pool + "resv_hugepages");
  return free > reserved ? free - reserved : 0;
}

// The hugetlb size that CPUs of this machine map by one page table entry of the second level: 2 MiB on x86-64 and most
// arm64.
inline std::size_t hugepageSize() {
  const std::size_t read = numberIn("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
  return read != 0 ? read : std::size_t{2} << 20U;
}

inline void requireHugepages(std::size_t wanted) {
  const std::size_t available = availableHugepages(hugepageSize());
  if (available >= wanted) return;
  SKIP(std::to_string(wanted) + " free hugepages wanted, " + std::to_string(available) + " there");
}

// The hugepages of this process alone, in bytes (proc(5), HugetlbPages). Other processes may use the hugepage pool
// meanwhile.
inline std::size_t ownHugepages() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("HugetlbPages:")) return std::stoull(line.substr(13)) << 10U;
  }
  return 0;
}

}  // namespace pinfold::test
