#include "memory/adopted_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

#include "os/system_error.h"
#include "test/kernel_view.h"
#include "test/mapping_request.h"
#include "test/tap.h"

namespace pinfold::memory {
namespace {

constexpr std::size_t kPages = 4;

os::Descriptor memfd(unsigned flags = MFD_ALLOW_SEALING) {
  os::Descriptor memory(::memfd_create("theirs", flags | MFD_CLOEXEC));
  CHECK(memory.valid());
  CHECK_EQUAL(::ftruncate(memory.number(), static_cast<off_t>(kPages * basePageSize())), 0);
  return memory;
}

MappingRequest adopting(int descriptor, std::size_t pages, AdoptedMemory::Range range = {}) {
  MappingRequest request = test::requestOf(pages * basePageSize());
  request.backing = Backing::Adopted;
  request.adopted = std::make_shared<const AdoptedMemory>(descriptor, range);
  return request;
}

os::SystemError failureOf(const MappingRequest& request) {
  try {
    (void)test::made(request);
  } catch (const os::SystemError& error) {
    return error;
  }
  throw tap::Failure("it was adopted");
}

TEST("adopted memory is the same memory, from its offset on, and is sealed against shrinking") {
  const os::Descriptor memory = memfd();
  CHECK_EQUAL(::pwrite(memory.number(), "x", 1, static_cast<off_t>(basePageSize())), 1);
  const Mapping mapping = test::made(adopting(memory.number(), 2, {.offset = basePageSize(), .mayShrink = false}));
  CHECK_EQUAL(static_cast<char>(mapping.begin()[0]), 'x');
  mapping.begin()[1] = std::byte{'y'};
  char read = 0;
  CHECK_EQUAL(::pread(memory.number(), &read, 1, static_cast<off_t>(basePageSize()) + 1), 1);
  CHECK_EQUAL(read, 'y');
  CHECK(::ftruncate(memory.number(), 0) != 0);
}

TEST("the descriptor stays its owner's, and none is left of a refusal") {
  const std::size_t before = test::openDescriptors();
  {
    os::Descriptor memory = memfd();
    const MappingRequest request = adopting(memory.number(), kPages);
    memory.reset();
    CHECK_EQUAL(test::made(request).size(), kPages * basePageSize());
    const os::Descriptor other = memfd();
    CHECK_EQUAL(failureOf(adopting(other.number(), kPages + 1)).call(), "fstat");
  }
  CHECK_EQUAL(test::openDescriptors(), before);
}

TEST("memory that cannot be sealed is adopted only when it may shrink") {
  const os::Descriptor memory = memfd(0);
  const os::SystemError refusal = failureOf(adopting(memory.number(), 1));
  CHECK_EQUAL(refusal.call(), "fcntl");
  CHECK_EQUAL(refusal.error(), EPERM);
  CHECK_EQUAL(test::made(adopting(memory.number(), 1, {.offset = 0, .mayShrink = true})).size(), basePageSize());
}

TEST("what is no memory, or not open for writing, is refused") {
  const os::Descriptor device(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  CHECK_EQUAL(failureOf(adopting(device.number(), 1)).call(), "fstatfs");
  const os::Descriptor memory = memfd();
  const std::string path = "/proc/self/fd/" + std::to_string(memory.number());
  const os::Descriptor reading(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  CHECK_EQUAL(failureOf(adopting(reading.number(), 1)).error(), EACCES);
  const os::Descriptor named(::open(path.c_str(), O_PATH | O_CLOEXEC));
  CHECK_EQUAL(failureOf(adopting(named.number(), 1)).error(), EACCES);
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
