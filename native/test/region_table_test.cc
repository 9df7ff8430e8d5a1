#include "memory/region_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "test/hugepages.h"
#include "test/kernel_view.h"
#include "test/mapping_request.h"
#include "test/tap.h"

namespace pinfold::memory {
namespace {

RegionUser added(const MappingRequest& request, const std::string& description = "") {
  return RegionTable::process().add(test::made(request), request, description);
}

// The number of ranges that earlier tests have kept for ever.
std::size_t kept = 0;

RegionTable::Counts counts() {
  RegionTable::Counts now = RegionTable::process().counts();
  now.closed -= kept;
  return now;
}

// Reads one byte while another thread may write or close. The access is atomic, so that the compiler keeps it.
std::uint8_t load(const std::byte* at) {
  return std::atomic_ref<std::uint8_t>(*reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(at)))
      .load(std::memory_order_relaxed);
}

void store(std::byte* at, std::uint8_t value) {
  std::atomic_ref<std::uint8_t>(*reinterpret_cast<std::uint8_t*>(at)).store(value, std::memory_order_relaxed);
}

// The number of bytes of the range that a page backs. The kernel mapping may contain more pages: it joins closed ranges
// that touch, and on some kernels memory that was only read is backed by a page, too.
std::size_t residentAt(const std::byte* begin, std::size_t size) {
  std::vector<unsigned char> pages(size / basePageSize());
  CHECK_EQUAL(::mincore(const_cast<std::byte*>(begin), size, pages.data()), 0);
  return static_cast<std::size_t>(std::ranges::count_if(pages, [](unsigned char page) { return (page & 1U) != 0; })) *
         basePageSize();
}

TEST("whoever attaches finds the region as its maker described it") {
  MappingRequest request = test::requestOf();
  request.name = "described";
  const RegionUser maker = added(request, "the maker's words");
  const std::optional<RegionUser> other = RegionTable::process().attach(maker.entry().id);
  CHECK(other.has_value());
  CHECK(&other->entry() == &maker.entry());
  CHECK_EQUAL(other->entry().name, "described");
  CHECK_EQUAL(other->entry().description, "the maker's words");
  CHECK_EQUAL(other->entry().size, request.size);
  CHECK_EQUAL(other->entry().pageSize, basePageSize());
}

TEST("a region lives until its last user leaves, whoever that is") {
  std::optional<RegionUser> maker(added(test::requestOf()));
  const std::uint64_t id = maker->entry().id;
  const std::byte* const begin = maker->entry().begin;
  std::optional<RegionUser> other = RegionTable::process().attach(id);
  maker.reset();
  CHECK_EQUAL(residentAt(begin, other->entry().size), other->entry().size);
  CHECK(RegionTable::process().attach(id).has_value());
  other.reset();
  CHECK(!test::isReadable(begin));
}

TEST("a region that is gone, and one that never was, cannot be attached") {
  std::uint64_t id = 0;
  {
    const RegionUser user = added(test::requestOf());
    id = user.entry().id;
  }
  CHECK(!RegionTable::process().attach(id).has_value());
  CHECK(!RegionTable::process().attach(id + 1).has_value());
  CHECK(!RegionTable::process().attach(0).has_value());
}

TEST("an identity is never given out again") {
  std::uint64_t last = 0;
  for (int i = 0; i < 100; ++i) {
    const RegionUser user = added(test::requestOf());
    CHECK(user.entry().id > last);
    last = user.entry().id;
  }
}

TEST("closed while a buffer is lent, it gives its pages back at once and its range when the buffer comes back") {
  std::vector<MappingRequest> requests = {test::requestOf()};
  if (test::availableHugepages(test::hugepageSize()) > 0) requests.push_back(test::hugetlbRequest(1));
  for (const MappingRequest& request : requests) {
    std::optional<RegionUser> user(added(request));
    std::byte* const begin = user->entry().begin;
    const std::size_t size = user->entry().size;
    std::optional<LentBuffer> buffer(std::in_place, *user);
    store(begin, 9);
    CHECK_EQUAL(counts().buffers, 1U);
    CHECK_EQUAL(counts().closed, 0U);
    user.reset();
    CHECK_EQUAL(counts().live, 0U);
    CHECK_EQUAL(counts().closed, 1U);
    CHECK_EQUAL(residentAt(begin, size), 0U);
    CHECK_EQUAL(load(begin), 0);
    store(begin, 9);  // a late writer writes to memory without an owner
    buffer.reset();
    CHECK_EQUAL(counts().closed, 0U);
    CHECK_EQUAL(counts().buffers, 0U);
    CHECK(!test::isReadable(begin));
  }
}

TEST("a user that leaves closes the region at once, and its pages go with what is left to do") {
  for (const bool isLent : {false, true}) {
    RegionUser user = added(test::requestOf());
    const std::uint64_t id = user.entry().id;
    std::byte* const begin = user.entry().begin;
    const std::size_t size = user.entry().size;
    std::optional<LentBuffer> buffer;
    if (isLent) buffer.emplace(user);
    std::optional<RegionUser> other = RegionTable::process().attach(id);
    CHECK(!other->leave().has_value());  // not the last
    store(begin, 9);
    std::optional<Unmapping> unmapping = user.leave();
    CHECK(unmapping.has_value());
    CHECK_EQUAL(counts().live, 0U);
    CHECK(!RegionTable::process().attach(id).has_value());
    CHECK_EQUAL(residentAt(begin, size), size);
    CHECK_EQUAL(load(begin), 9);
    std::thread([&] { unmapping.reset(); }).join();
    if (isLent) CHECK_EQUAL(load(begin), 0);
    buffer.reset();
    CHECK(!test::isReadable(begin));
    CHECK_EQUAL(counts().closed, 0U);
  }
}

TEST("a buffer that comes back before the pages have gone does not release them twice") {
  RegionUser user = added(test::requestOf());
  std::byte* const begin = user.entry().begin;
  std::optional<LentBuffer> buffer(std::in_place, user);
  std::optional<Unmapping> unmapping = user.leave();
  buffer.reset();
  CHECK_EQUAL(counts().closed, 1U);
  CHECK(test::isReadable(begin));
  unmapping.reset();
  CHECK_EQUAL(counts().closed, 0U);
  CHECK(!test::isReadable(begin));
}

TEST("of several buffers the last one to come back releases the range, from whichever thread they were lent") {
  std::optional<RegionUser> user(added(test::requestOf()));
  const std::byte* const begin = user->entry().begin;
  std::vector<LentBuffer> buffers;
  buffers.reserve(8);
  std::jthread([&] {
    for (int i = 0; i < 8; ++i) buffers.emplace_back(*user);
  }).join();
  user.reset();
  CHECK_EQUAL(counts().buffers, 8U);
  while (!buffers.empty()) {
    CHECK(test::isReadable(begin));
    std::jthread([&] { buffers.pop_back(); }).join();
  }
  CHECK(!test::isReadable(begin));
}

TEST("buffers that come back while there are users change nothing for them") {
  const RegionUser user = added(test::requestOf());
  store(user.entry().begin, 9);
  for (int i = 0; i < 10; ++i) const LentBuffer buffer(user);
  CHECK_EQUAL(counts().buffers, 0U);
  CHECK_EQUAL(load(user.entry().begin), 9);
  CHECK_EQUAL(counts().live, 1U);
}

TEST("a range that something uncounted reaches is never released, though its pages go with the last user") {
  for (const bool lent : {false, true}) {
    const RegionTable::Counts before = counts();
    std::optional<RegionUser> user(added(test::requestOf()));
    std::byte* const begin = user->entry().begin;
    const std::size_t size = user->entry().size;
    store(begin, 9);
    std::optional<LentBuffer> buffer;
    if (lent) buffer.emplace(*user);
    user->keepRange();
    CHECK_EQUAL(load(begin), 9);
    user.reset();
    CHECK_EQUAL(residentAt(begin, size), 0U);
    buffer.reset();
    CHECK_EQUAL(load(begin), 0);
    CHECK(test::isReadable(begin + size - 1));
    CHECK_EQUAL(counts().closed, before.closed + 1);
    ++kept;
    CHECK_EQUAL(counts().buffers, before.buffers);
    CHECK_EQUAL(counts().live, before.live);
  }
}

TEST("moving a user or a buffer moves its use") {
  std::optional<RegionUser> user(added(test::requestOf()));
  RegionUser moved(std::move(*user));
  user.reset();
  CHECK_EQUAL(counts().live, 1U);
  std::optional<LentBuffer> buffer(std::in_place, moved);
  const LentBuffer kept(std::move(*buffer));
  buffer.reset();
  CHECK_EQUAL(counts().buffers, 1U);
}

TEST("no range is given out again while a buffer of it is lent") {
  std::optional<RegionUser> user(added(test::requestOf()));
  const std::byte* const begin = user->entry().begin;
  const LentBuffer buffer(*user);
  user.reset();
  for (int i = 0; i < 200; ++i) {
    const RegionUser other = added(test::requestOf());
    CHECK(other.entry().begin + other.entry().size <= begin || other.entry().begin >= begin + other.entry().size);
  }
}

TEST("a reader that is late finds what was there or zeros, at every moment while another thread closes") {
  for (int round = 0; round < 50; ++round) {
    MappingRequest request = test::requestOf(64 * basePageSize());
    request.backing = round % 2 == 0 ? Backing::Memfd : Backing::Anonymous;
    std::optional<RegionUser> user(added(request));
    std::byte* const begin = user->entry().begin;
    for (std::size_t at = 0; at < request.size; ++at) store(begin + at, 7);
    std::optional<LentBuffer> buffer(std::in_place, *user);
    std::atomic<bool> reading = false;
    int strange = 0;
    std::jthread reader([&] {
      for (std::size_t zeros = 0, at = 0; zeros < request.size; at = (at + 4099) % request.size) {
        const std::uint8_t found = load(begin + at);
        reading.store(true);
        if (found != 7 && found != 0) ++strange;
        zeros = found == 0 ? zeros + 1 : 0;
      }
      buffer.reset();
    });
    while (!reading.load()) std::this_thread::yield();
    user.reset();
    reader.join();
    CHECK_EQUAL(strange, 0);
    CHECK(!test::isReadable(begin));
  }
}

// The random actions of one thread: it attaches to regions by their identity, lends, reads, writes, gives back and
// leaves.
class Actor {
 public:
  Actor(std::vector<std::atomic<std::uint64_t>>& identities, unsigned seed) : identities_(identities), random_(seed) {}

  void act() {
    switch (random_() % 7) {
      case 0:
        if (users_.size() < 8) add();
        break;
      case 1:
      case 2:
        if (auto user = RegionTable::process().attach(anyIdentity().load())) users_.push_back(std::move(*user));
        break;
      case 3:
        if (!users_.empty()) lend(users_.at(random_() % users_.size()));
        break;
      case 4:
        if (!users_.empty()) dropAny(users_);
        break;
      case 5:
        if (!buffers_.empty()) dropAny(buffers_);
        break;
      default:
        touch();
    }
  }

 private:
  struct Lent {
    LentBuffer buffer;
    std::byte* begin;
    std::size_t size;
  };

  std::atomic<std::uint64_t>& anyIdentity() { return identities_.at(random_() % identities_.size()); }

  void add() {
    MappingRequest request = test::requestOf((1 + random_() % 4) * basePageSize());
    request.backing = random_() % 2 == 0 ? Backing::Memfd : Backing::Anonymous;
    users_.push_back(added(request));
    anyIdentity().store(users_.back().entry().id);
  }

  void lend(const RegionUser& user) {
    if (buffers_.size() < 64) buffers_.push_back({LentBuffer(user), user.entry().begin, user.entry().size});
  }

  // Every byte of a lent buffer or of a region in use may be touched, whatever the other threads do meanwhile.
  void touch() {
    for (const Lent& lent : buffers_) store(lent.begin + random_() % lent.size, load(lent.begin));
    for (const RegionUser& user : users_) store(user.entry().begin + random_() % user.entry().size, 1);
  }

  template <typename T>
  void dropAny(std::vector<T>& all) {
    // Users and buffers cannot be assigned, so the others are moved into a new vector.
    const std::size_t dropped = random_() % all.size();
    std::vector<T> kept;
    kept.reserve(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i != dropped) kept.push_back(std::move(all[i]));
    }
    all.swap(kept);
  }

  std::vector<std::atomic<std::uint64_t>>& identities_;
  std::mt19937 random_;
  std::vector<RegionUser> users_;
  std::vector<Lent> buffers_;
};

TEST("threads that attach, lend, touch and leave at random leave nothing behind") {
  std::vector<std::atomic<std::uint64_t>> identities(4);
  {
    std::vector<std::jthread> threads;
    for (unsigned seed = 1; seed <= 4; ++seed) {
      threads.emplace_back([&identities, seed] {
        Actor actor(identities, seed);
        for (int i = 0; i < 2000; ++i) actor.act();
      });
    }
  }
  CHECK_EQUAL(counts().live, 0U);
  CHECK_EQUAL(counts().closed, 0U);
  CHECK_EQUAL(counts().buffers, 0U);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) CHECK(line.find("pinfold:") == std::string::npos);
  CHECK_EQUAL(AddressRange::pendingCount(), 0U);
}

TEST("the last user's leaving and the last buffer's return may meet in any order") {
  for (int round = 0; round < 500; ++round) {
    std::optional<RegionUser> user(added(test::requestOf()));
    const std::byte* const begin = user->entry().begin;
    std::optional<LentBuffer> buffer(std::in_place, *user);
    std::atomic<int> ready = 0;
    const auto meet = [&ready] {
      ++ready;
      while (ready.load() < 2) std::this_thread::yield();
    };
    std::jthread other([&] {
      meet();
      buffer.reset();
    });
    meet();
    user.reset();
    other.join();
    CHECK(!test::isReadable(begin));
    CHECK_EQUAL(counts().closed, 0U);
  }
}

TEST("a region may be attached, or found gone, while its last user leaves") {
  for (int round = 0; round < 500; ++round) {
    std::optional<RegionUser> user(added(test::requestOf()));
    const std::uint64_t id = user->entry().id;
    std::atomic<bool> ready = false;
    bool intact = true;
    std::jthread other([&] {
      ready.store(true);
      const auto attached = RegionTable::process().attach(id);
      if (attached) intact = residentAt(attached->entry().begin, attached->entry().size) == attached->entry().size;
    });
    while (!ready.load()) std::this_thread::yield();
    user.reset();
    other.join();
    CHECK(intact);
    CHECK_EQUAL(counts().live, 0U);
  }
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
