#include "os/descriptor.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "test/kernel_view.h"
#include "test/tap.h"

namespace pinfold::os {
namespace {

Descriptor opened() { return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

bool isOpen(int number) { return ::fcntl(number, F_GETFD) != -1; }

TEST("a descriptor is closed when its owner goes") {
  int number = -1;
  {
    const Descriptor null = opened();
    number = null.number();
    CHECK(null.valid());
    CHECK(isOpen(number));
  }
  CHECK(!isOpen(number));
}

TEST("moving hands it on, and closes what the target had") {
  Descriptor first = opened();
  Descriptor second = opened();
  const int kept = first.number();
  const int closed = second.number();
  second = std::move(first);
  CHECK_EQUAL(second.number(), kept);
  CHECK(isOpen(kept));
  CHECK(!isOpen(closed));
}

TEST("reset closes once; a number that was never a descriptor is left alone") {
  Descriptor null = opened();
  const int number = null.number();
  null.reset();
  null.reset();
  CHECK(!null.valid());
  CHECK(!isOpen(number));
  const Descriptor none;
  CHECK(!none.valid());
}

TEST("a thousand of them leave none behind") {
  const std::size_t before = test::openDescriptors();
  for (int i = 0; i < 1000; ++i) {
    Descriptor null = opened();
    const Descriptor other(std::move(null));
    CHECK(other.valid());
  }
  CHECK_EQUAL(test::openDescriptors(), before);
}

}  // namespace
}  // namespace pinfold::os

TAP_MAIN()
