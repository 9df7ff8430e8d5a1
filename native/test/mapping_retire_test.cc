#include "memory/mapping.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "os/system_error.h"
#include "test/child.h"
#include "test/hugepages.h"
#include "test/kernel_view.h"
#include "test/mapping_request.h"
#include "test/tap.h"

namespace pinfold::memory {
namespace {

bool allZero(const std::byte* begin, std::size_t size) {
  return std::all_of(begin, begin + size, [](std::byte byte) { return byte == std::byte{0}; });
}

// The number of kernel mappings that contain the beginning of a region.
std::size_t kernelMappingsOf(const std::vector<Mapping>& regions) {
  std::size_t count = 0;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char dash = 0;
    std::istringstream(line) >> std::hex >> begin >> dash >> end;
    const bool found = std::ranges::any_of(regions, [&](const Mapping& region) {
      const std::uintptr_t address = test::numberOf(region.begin());
      return begin <= address && address < end;
    });
    count += found ? 1 : 0;
  }
  return count;
}

TEST("retired, a region gives its pages back at once and reads as zeros") {
  std::vector<MappingRequest> requests = {test::requestOf(), test::transparentRequest()};
  if (test::availableHugepages(test::hugepageSize()) > 0) requests.push_back(test::hugetlbRequest(1));
  for (MappingRequest& request : requests) {
    for (const Backing backing : {Backing::Memfd, Backing::Anonymous}) {
      request.backing = backing;
      request.name = "retired";
      const std::size_t hugepages = test::ownHugepages();
      const std::size_t descriptors = test::openDescriptors();
      Mapping mapping = test::made(request);
      std::fill_n(mapping.begin(), mapping.size(), std::byte{9});
      mapping.retire();
      CHECK_EQUAL(test::ownHugepages(), hugepages);
      CHECK_EQUAL(test::openDescriptors(), descriptors);
      CHECK_EQUAL(test::mappingsNamed("pinfold:retired"), 0U);
      const test::View view = *test::viewOf(mapping.begin());
      CHECK_EQUAL(view.bytes("Rss"), 0U);
      CHECK(view.has("dc"));
      CHECK(view.has("dd"));
      CHECK(view.has("nr"));
      CHECK(allZero(mapping.begin(), mapping.size()));
      CHECK(test::isWritable(mapping.begin() + mapping.size() - 1));
    }
  }
}

TEST("a retired region's guards are gone, and its range with it when it is released") {
  MappingRequest request = test::requestOf();
  request.guard = true;
  std::byte* begin = nullptr;
  {
    Mapping mapping = test::made(request);
    begin = mapping.begin();
    mapping.retire();
    CHECK(test::isReadable(begin - 1));
    CHECK(test::isReadable(begin + mapping.size()));
  }
  for (std::byte* const address : {begin - 1, begin, begin + request.size}) CHECK(!test::isReadable(address));
}

TEST("retired twice, it is as if once") {
  Mapping mapping = test::made(test::requestOf());
  mapping.retire();
  *mapping.begin() = std::byte{1};
  mapping.retire();
  CHECK(allZero(mapping.begin(), mapping.size()));
}

TEST("a thousand retired neighbours are a few kernel mappings") {
  std::vector<MappingRequest> requests = {test::requestOf(), test::transparentRequest(basePageSize())};
  for (const std::size_t i : {0U, 1U}) {
    requests.push_back(requests.at(i));
    requests.back().guard = true;
  }
  for (const MappingRequest& request : requests) {
    std::vector<Mapping> retired;
    retired.reserve(1000);
    for (int i = 0; i < 1000; ++i) {
      retired.push_back(test::made(request));
      retired.back().retire();
    }
    CHECK(kernelMappingsOf(retired) < 50U);
  }
}

TEST("refused by the kernel, retiring leaves the pages as they are") {
  test::inChild([] {
    Mapping mapping = test::made(test::requestOf());
    std::fill_n(mapping.begin(), mapping.size(), std::byte{9});
    const std::size_t descriptors = test::openDescriptors();
    rlimit limit = {};
    if (::getrlimit(RLIMIT_DATA, &limit) != 0) os::throwErrno("getrlimit");
    const rlimit little = {.rlim_cur = basePageSize(), .rlim_max = limit.rlim_max};
    if (::setrlimit(RLIMIT_DATA, &little) != 0) os::throwErrno("setrlimit");
    mapping.retire();
    if (::setrlimit(RLIMIT_DATA, &limit) != 0) os::throwErrno("setrlimit");
    CHECK_EQUAL(test::openDescriptors(), descriptors);
    CHECK(
        std::all_of(mapping.begin(), mapping.begin() + mapping.size(), [](std::byte b) { return b == std::byte{9}; }));
  });
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
