#include "verbs/object_table.h"

#include <cerrno>
#include <vector>

#include "os/system_error.h"
#include "test/tap.h"

namespace pinfold::verbs {
namespace {

std::vector<int>& destroyed() {
  static std::vector<int> all;
  return all;
}

// Records in destroyed() that it was destroyed. Refuses this while `*refuses` is true.
template <Kind own>
class Thing : public Object {
 public:
  static constexpr Kind kKind = own;

  Thing(int number, std::initializer_list<Object*> parents, const bool* refuses = nullptr)
      : Object(own, parents), number_(number), refuses_(refuses) {}
  void destroy() override {
    if (refuses_ != nullptr && *refuses_) throw os::SystemError("destroy", EINVAL);
    destroyed().push_back(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
  const bool* refuses_;
};
using Domain = Thing<Kind::Domain>;
using Memory = Thing<Kind::Registration>;
using Pair = Thing<Kind::QueuePair>;
using Window = Thing<Kind::MemoryWindow>;

template <typename Made>
Handle put(ObjectTable& table, int number, std::initializer_list<Object*> parents = {}, const bool* refuses = nullptr) {
  ObjectTable::Place place(table);
  return place.put(std::make_unique<Made>(number, parents, refuses));
}

template <typename Call>
int refusalOf(const Call& call) {
  try {
    call();
  } catch (const os::SystemError& error) {
    return error.error();
  }
  return 0;
}

TEST("a handle names its object, and no other kind of object") {
  ObjectTable table;
  const Handle handle = put<Domain>(table, 7);
  CHECK_EQUAL(table.get<Domain>("call", handle).number(), 7);
  CHECK(table.find<Memory>(handle) == nullptr);
  CHECK_EQUAL(refusalOf([&] { (void)table.get<Memory>("call", handle); }), EINVAL);
  CHECK(table.find<Domain>(0) == nullptr);
  CHECK(table.find<Domain>(UINT32_MAX) == nullptr);
}

TEST("a handle whose object is gone names nothing, though its place is taken again") {
  ObjectTable table;
  const Handle first = put<Domain>(table, 1);
  table.destroy<Domain>("call", first);
  const Handle second = put<Domain>(table, 2);
  CHECK_EQUAL(second % ObjectTable::kPlaces, first % ObjectTable::kPlaces);
  CHECK(first != second);
  CHECK(table.find<Domain>(first) == nullptr);
  CHECK_EQUAL(table.get<Domain>("call", second).number(), 2);
  CHECK_EQUAL(refusalOf([&] { table.destroy<Domain>("call", first); }), EINVAL);
}

TEST("a place whose generations are used up is never used again") {
  ObjectTable table;
  std::vector<Handle> handles;
  for (std::uint32_t i = 1; i < ObjectTable::kGenerations; ++i) {
    handles.push_back(put<Domain>(table, 1));
    table.destroy<Domain>("call", handles.back());
  }
  CHECK_EQUAL(handles.back() / ObjectTable::kPlaces, ObjectTable::kGenerations - 1);
  const Handle next = put<Domain>(table, 2);
  CHECK(next % ObjectTable::kPlaces != handles.back() % ObjectTable::kPlaces);
  for (const Handle handle : handles) CHECK(table.find<Domain>(handle) == nullptr);
}

TEST("an object that could not be made gives its place back") {
  ObjectTable table;
  { const ObjectTable::Place place(table); }
  CHECK_EQUAL(table.count(), 0U);
}

TEST("a parent is not destroyed before its children, nor while something is under way on it") {
  ObjectTable table;
  const Handle domain = put<Domain>(table, 1);
  Domain& parent = table.get<Domain>("call", domain);
  const Handle memory = put<Memory>(table, 2, {&parent});
  CHECK_EQUAL(refusalOf([&] { table.destroy<Domain>("call", domain); }), EBUSY);
  table.destroy<Memory>("call", memory);
  parent.keep();
  CHECK_EQUAL(refusalOf([&] { table.destroy<Domain>("call", domain); }), EBUSY);
  parent.letGo();
  table.destroy<Domain>("call", domain);
  CHECK_EQUAL(table.count(), 0U);
}

TEST("what the device refuses to destroy stays") {
  ObjectTable table;
  bool refuses = true;
  const Handle handle = put<Domain>(table, 1, {}, &refuses);
  CHECK_EQUAL(refusalOf([&] { table.destroy<Domain>("call", handle); }), EINVAL);
  CHECK(table.find<Domain>(handle) != nullptr);
  refuses = false;
  table.destroy<Domain>("call", handle);
}

TEST("all objects are destroyed in the order in which they depend on each other, whatever order they were made in") {
  ObjectTable table;
  destroyed().clear();
  const Handle domain = put<Domain>(table, 5);
  Domain& parent = table.get<Domain>("call", domain);
  const Handle whole = put<Memory>(table, 4, {&parent});
  (void)put<Memory>(table, 3, {&table.get<Memory>("call", whole)});  // a part of a registration
  (void)put<Pair>(table, 2, {&parent});
  (void)put<Window>(table, 1, {&parent});
  table.destroyAll(true);
  CHECK(destroyed() == std::vector<int>({1, 2, 3, 4, 5}));
  CHECK_EQUAL(table.count(), 0U);
}

TEST("a refusal in the midst of all is thrown, or leaves that object and its parents alone") {
  ObjectTable table;
  destroyed().clear();
  bool refuses = true;
  const Handle domain = put<Domain>(table, 3);
  Domain& parent = table.get<Domain>("call", domain);
  (void)put<Pair>(table, 1, {&parent});
  (void)put<Memory>(table, 2, {&parent}, &refuses);
  CHECK_EQUAL(refusalOf([&] { table.destroyAll(true); }), EINVAL);
  table.destroyAll(false);
  CHECK(destroyed() == std::vector<int>({1}));
  CHECK_EQUAL(table.count(), 2U);
  refuses = false;
  table.destroyAll(true);
  CHECK_EQUAL(table.count(), 0U);
}

}  // namespace
}  // namespace pinfold::verbs

TAP_MAIN()
