#include "memory/shadow.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <string>

#include "os/system_error.h"
#include "test/hugepages.h"
#include "test/kernel_view.h"
#include "test/mapping_request.h"
#include "test/tap.h"

namespace pinfold::memory {
namespace {

RegionUser added(const MappingRequest& request) { return RegionTable::process().add(test::made(request), request, ""); }

// A range of addresses such as V8 reserves: it begins at a hugepage.
class Place {
 public:
  explicit Place(std::size_t size) : size_(size + test::hugepageSize()) {
    void* const got =
        ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(got != MAP_FAILED);
    whole_ = static_cast<std::byte*>(got);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { (void)::munmap(whole_, size_); }

  std::byte* begin() const {
    const std::size_t over = test::numberOf(whole_) % test::hugepageSize();
    return whole_ + (over == 0 ? 0 : test::hugepageSize() - over);
  }

 private:
  std::size_t size_;
  std::byte* whole_ = nullptr;
};

int errorOfMap(Shadow& shadow, const RegionUser& user, std::size_t length, std::size_t at) {
  try {
    shadow.map(user, 0, length, at);
    return 0;
  } catch (const os::SystemError& error) {
    return error.error();
  }
}

TEST("both mappings show the same bytes, until one is retired and reads as zeros") {
  const std::size_t page = basePageSize();
  const Place place(8 * page);
  Shadow shadow(place.begin(), 8 * page);
  const RegionUser user = added(test::requestOf());
  shadow.map(user, page, 2 * page, 4 * page);
  user.entry().begin[page] = std::byte{7};
  CHECK(place.begin()[4 * page] == std::byte{7});
  place.begin()[5 * page] = std::byte{8};
  CHECK(user.entry().begin[2 * page] == std::byte{8});
  CHECK(shadow.retire(4 * page));
  CHECK(place.begin()[4 * page] == std::byte{0});
  CHECK(user.entry().begin[page] == std::byte{7});
  CHECK(!shadow.retire(4 * page));
}

TEST("the second mapping of locked pages counts no lock, and the first keeps its own") {
  const std::size_t page = basePageSize();
  const Place place(4 * page);
  Shadow shadow(place.begin(), 4 * page);
  MappingRequest request = test::requestOf();
  request.lock = true;
  const RegionUser user = added(request);
  shadow.map(user, 0, 4 * page, 0);
  CHECK(test::viewOf(user.entry().begin)->has("lo"));
  CHECK(!test::viewOf(place.begin())->has("lo"));
  place.begin()[0] = std::byte{7};
  CHECK(user.entry().begin[0] == std::byte{7});
}

TEST("the second mapping stays out of forks and core dumps, as the first") {
  const Place place(test::hugepageSize());
  Shadow shadow(place.begin(), test::hugepageSize());
  const RegionUser user = added(test::transparentRequest());
  shadow.map(user, 0, test::hugepageSize(), 0);
  for (const char* flag : {"dc", "dd"}) CHECK(test::viewOf(place.begin())->has(flag));
}

TEST("hugepages are back in their pool when the region and its second mapping are gone, in either order") {
  if (test::availableHugepages(test::hugepageSize()) == 0) SKIP("needs a free hugepage");
  const std::size_t size = test::hugepageSize();
  const Place place(size);
  Shadow shadow(place.begin(), size);
  const std::size_t before = test::ownHugepages();
  {
    const RegionUser user = added(test::hugetlbRequest(1));
    shadow.map(user, 0, size, 0);
    CHECK(shadow.retire(0));
  }
  CHECK_EQUAL(test::ownHugepages(), before);
  {
    const RegionUser user = added(test::hugetlbRequest(1));
    shadow.map(user, 0, size, 0);
  }
  CHECK(shadow.retire(0));
  CHECK_EQUAL(test::ownHugepages(), before);
}

TEST("what cannot be mapped is refused, and changes nothing") {
  const std::size_t page = basePageSize();
  const Place place(4 * page);
  Shadow shadow(place.begin(), 4 * page);
  MappingRequest anonymous = test::requestOf(page);
  anonymous.backing = Backing::Anonymous;
  const RegionUser without = added(anonymous);
  CHECK_EQUAL(errorOfMap(shadow, without, page, 0), EOPNOTSUPP);
  const RegionUser user = added(test::requestOf());
  shadow.map(user, 0, page, page);
  CHECK_EQUAL(errorOfMap(shadow, user, 2 * page, 0), EEXIST);
  CHECK_EQUAL(errorOfMap(shadow, user, page, page), EEXIST);
  CHECK_EQUAL(errorOfMap(shadow, user, 2 * page, 3 * page), EEXIST);
  CHECK_EQUAL(errorOfMap(shadow, user, 0, 0), EEXIST);
  place.begin()[0] = std::byte{1};  // the place is still there
  CHECK_EQUAL(errorOfMap(shadow, user, page, 0), 0);
  CHECK_EQUAL(errorOfMap(shadow, user, 2 * page, 2 * page), 0);
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
