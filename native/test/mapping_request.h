// The default request of a test: four base pages in a memfd, no guards, no lock.
#pragma once

#include <atomic>
#include <cstddef>

#include "memory/mapping.h"
#include "test/hugepages.h"

namespace pinfold::test {

inline memory::MappingRequest requestOf(std::size_t size = 4 * memory::basePageSize()) {
  return {.name = "test",
          .size = size,
          .page = {memory::PageKind::Base, memory::basePageSize()},
          .backing = memory::Backing::Memfd,
          .path = "",
          .lock = false,
          .guard = false,
          .dump = false,
          .keepFile = false,
          .placement = {},
          .threads = 1};
}

inline memory::MappingRequest transparentRequest(std::size_t size = hugepageSize()) {
  memory::MappingRequest request = requestOf(size);
  request.page = {memory::PageKind::Transparent, hugepageSize()};
  return request;
}

inline memory::MappingRequest hugetlbRequest(std::size_t pages) {
  memory::MappingRequest request = requestOf(pages * hugepageSize());
  request.page = {memory::PageKind::Hugetlb, hugepageSize()};
  return request;
}

// Makes the mapping of the request, or throws SystemError.
inline memory::Mapping made(const memory::MappingRequest& request) {
  const std::atomic<bool> never = false;
  return {request, never};
}

}  // namespace pinfold::test
