#include "memory/mapping_room.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "memory/address_range.h"
#include "memory/page_size.h"
#include "os/descriptor.h"
#include "os/system_error.h"
#include "test/child.h"
#include "test/kernel_view.h"
#include "test/tap.h"

namespace pinfold::memory {
namespace {

std::size_t mostMappings() {
  const std::size_t most = test::numberIn("/proc/sys/vm/max_map_count");
  if (most > 1'000'000) SKIP("vm.max_map_count is " + std::to_string(most) + ": too many mappings to make");
  return most;
}

// Makes `count` kernel mappings, or one more: every second page is protected.
AddressRange mappings(std::size_t count) {
  const std::size_t size = count * basePageSize();
  void* const begin = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (begin == MAP_FAILED) os::throwErrno("mmap");
  AddressRange range(static_cast<std::byte*>(begin), size);
  for (std::size_t page = 1; page < count; page += 2) {
    if (::mprotect(range.begin() + page * basePageSize(), basePageSize(), PROT_NONE) != 0) os::throwErrno("mprotect");
  }
  return range;
}

template <typename Work>
bool isRefused(const Work& work) {
  try {
    work();
  } catch (const os::SystemError&) {
    return true;
  }
  return false;
}

// Each test runs in a child, since the process remembers for how many regions it has found room.
TEST("a process with few mappings has room for thousands of regions") {
  test::inChild([] {
    if (mostMappings() < 60'000) SKIP("vm.max_map_count is smaller than its default");
    std::vector<MappingRoom> rooms(10'000);
    CHECK_EQUAL(rooms.size(), 10'000U);
  });
}

TEST("a process with more than seven eighths of its mappings is refused, with both numbers") {
  test::inChild([] {
    const std::size_t most = mostMappings();
    const std::size_t limit = most - most / 8;
    const AddressRange many = mappings(limit);
    try {
      const MappingRoom room;
    } catch (const os::SystemError& error) {
      CHECK_EQUAL(error.call(), "mmap");
      CHECK_EQUAL(error.error(), ENOMEM);
      CHECK_EQUAL(error.values().front().first, "mappings");
      CHECK(error.values().front().second >= static_cast<double>(limit));
      CHECK_EQUAL(error.values().back().second, static_cast<double>(most));
      return;
    }
    CHECK(false);
  });
}

TEST("what the program maps meanwhile is seen before three quarters of the room are used") {
  test::inChild([] {
    const std::size_t most = mostMappings();
    const MappingRoom first;
    const AddressRange many = mappings(most - most / 8);
    CHECK(isRefused([most] { const std::vector<MappingRoom> rooms(most / 20); }));
  });
}

TEST("what the program maps is seen, too, while regions are made and closed in turn") {
  test::inChild([] {
    const std::size_t most = mostMappings();
    const MappingRoom first;
    const AddressRange many = mappings(most - most / 8);
    CHECK(isRefused([most] {
      for (std::size_t i = 0; i < most / 20; ++i) const MappingRoom room;
    }));
  });
}

TEST("near the limit, room that was given back is taken again") {
  test::inChild([] {
    const std::size_t most = mostMappings();
    const AddressRange many = mappings(most - most / 8 - 600);
    for (int i = 0; i < 5000; ++i) const MappingRoom room;
    // These make no mapping, so each count finds room for the next.
    CHECK(!isRefused([] { const std::vector<MappingRoom> rooms(200); }));
  });
}

TEST("without a free descriptor, mappings are not taken for none") {
  test::inChild([] {
    // UBSan takes descriptors to check the first object of a class.
    CHECK(isRefused([] { throw os::SystemError("open", EMFILE); }));
    std::vector<os::Descriptor> taken;
    do taken.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    while (taken.back().valid());
    CHECK(isRefused([] { const MappingRoom room; }));
    taken.clear();
    const MappingRoom room;
  });
}

TEST("the refusal ends when the mappings are gone") {
  test::inChild([] {
    const std::size_t most = mostMappings();
    std::optional<AddressRange> many(mappings(most - most / 8));
    CHECK(isRefused([] { const MappingRoom room; }));
    many.reset();
    const MappingRoom room;
  });
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
