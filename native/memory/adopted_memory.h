// Memory that somebody else has made, another program or library, and handed over as a descriptor: a memfd, a POSIX
// shared memory object, a file on a hugetlbfs or tmpfs mount.
//
// The descriptor is a duplicate: the caller's stays the caller's, who may close it or use its number for something
// else.
#pragma once

#include <cstddef>

#include "memory/page_size.h"
#include "os/descriptor.h"

namespace pinfold::memory {

class AdoptedMemory {
 public:
  struct Range {
    std::size_t offset;  // a multiple of the page size
    bool mayShrink;      // the caller answers for whoever could take pages from under the mapping
  };

  // Throws SystemError("fcntl", EBADF) when it is no descriptor.
  AdoptedMemory(int descriptor, const Range& range);

  int number() const noexcept { return descriptor_.number(); }
  std::size_t offset() const noexcept { return range_.offset; }

  // Makes sure that `size` bytes at its offset are memory of such pages, for reading and writing, and stay so: memory
  // that can be sealed against shrinking is sealed here. Throws SystemError of the call that showed the opposite:
  // "fcntl" EACCES (not open for reading and writing), EPERM (cannot be sealed, and may not shrink), "fstatfs" EINVAL
  // with `hugetlbfs`, `tmpfs` and `pageSize` as found, "fstat" EINVAL with `fileSize`.
  void require(std::size_t size, const PageSize& page) const;

 private:
  os::Descriptor descriptor_;
  Range range_;
};

}  // namespace pinfold::memory
