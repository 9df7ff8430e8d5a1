// The machine's hugepages, and what a test that needs some does without them. The test runner lends some.
#pragma once

#include <cstddef>
#include <fstream>
#include <string>

#include "test/kernel_view.h"
#include "test/tap.h"

namespace pinfold::test {

// The pages of that size that a new mapping could have.
inline std::size_t availableHugepages(std::size_t pageSize) {
  const std::string pool = "/sys/kernel/mm/hugepages/hugepages-" + std::to_string(pageSize >> 10U) + "kB/";
  const std::size_t free = numberIn(pool + "free_hugepages");
  const std::size_t reserved = numberIn(pool + "resv_hugepages");
  return free > reserved ? free - reserved : 0;
}

// The hugetlb size of this machine that CPUs map by one entry of the second level: 2 MiB on x86-64 and most arm64.
inline std::size_t hugepageSize() {
  const std::size_t read = numberIn("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
  return read != 0 ? read : std::size_t{2} << 20U;
}

inline void requireHugepages(std::size_t wanted) {
  const std::size_t available = availableHugepages(hugepageSize());
  if (available >= wanted) return;
  SKIP(std::to_string(wanted) + " free hugepages wanted, " + std::to_string(available) + " there");
}

// Hugepages of this process alone, in bytes (proc(5), HugetlbPages): others use the pool meanwhile.
inline std::size_t ownHugepages() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("HugetlbPages:")) return std::stoull(line.substr(13)) << 10U;
  }
  return 0;
}

}  // namespace pinfold::test
