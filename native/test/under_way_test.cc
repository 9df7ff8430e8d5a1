#include "memory/under_way.h"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>

#include "os/system_error.h"
#include "test/mapping_request.h"
#include "test/tap.h"

namespace pinfold::memory {
namespace {

bool isRefused(std::size_t size, std::optional<std::uint64_t> most) {
  try {
    const Announcement announcement(size, most);
    return false;
  } catch (const os::SystemError& error) {
    CHECK_EQUAL(error.error(), EAGAIN);
    return true;
  }
}

TEST("what is announced is under way until it is populated, and at the latest until it is gone") {
  const UnderWay before = underWay();
  {
    Announcement announcement(100, before.announced);
    CHECK_EQUAL(underWay().bytes, before.bytes + 100);
    announcement.populated(60);
    CHECK_EQUAL(underWay().bytes, before.bytes + 40);
    announcement.populated(60);
    CHECK_EQUAL(underWay().bytes, before.bytes);
  }
  { const Announcement announcement(50, before.announced + 100); }
  CHECK_EQUAL(underWay().bytes, before.bytes);
  CHECK_EQUAL(underWay().announced, before.announced + 150);
}

TEST("whoever has looked before others announced more than there was room for looks again") {
  const std::uint64_t announced = underWay().announced;
  const Announcement others(100, announced);
  CHECK(isRefused(10, announced + 99));
  CHECK(!isRefused(10, announced + 100));
}

TEST("small regions are looked at when they have a MiB together, and from then on again") {
  const Announcement looked(1, underWay().announced);
  CHECK(!isRefused(kUnlooked / 2, std::nullopt));
  CHECK(!isRefused(kUnlooked / 2, std::nullopt));
  CHECK(isRefused(1, std::nullopt));
  CHECK(!isRefused(1, underWay().announced));
  CHECK(!isRefused(kUnlooked, std::nullopt));
}

TEST("a mapping has told all of its bytes once it is there") {
  const UnderWay before = underWay();
  memory::MappingRequest request = test::requestOf();
  request.announcement = std::make_shared<Announcement>(request.size, before.announced);
  CHECK_EQUAL(underWay().bytes, before.bytes + request.size);
  const Mapping mapping = test::made(request);
  CHECK_EQUAL(underWay().bytes, before.bytes);
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
