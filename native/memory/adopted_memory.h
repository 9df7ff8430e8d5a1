// Memory that another program or library has made, and passes as a descriptor: a memfd, a POSIX shared memory object,
// or a file on a hugetlbfs or tmpfs mount.
//
// AdoptedMemory owns a duplicate of the descriptor. The caller keeps its own descriptor, and may close it or use its
// number again.
#pragma once

#include <cstddef>

#include "memory/page_size.h"
#include "os/descriptor.h"

namespace pinfold::memory {

class AdoptedMemory {
 public:
  struct Range {
    std::size_t offset;  // a multiple of the page size
    bool mayShrink;      // accept a file that cannot be sealed: the caller ensures that it does not shrink
  };

  // Throws SystemError("fcntl", EBADF) when `descriptor` is not an open descriptor.
  AdoptedMemory(int descriptor, const Range& range);

  int number() const noexcept { return descriptor_.number(); }
  std::size_t offset() const noexcept { return range_.offset; }

  // Checks that the `size` bytes from the offset on are memory with such pages, open for reading and writing. Seals the
  // file against shrinking where this is possible, so that the result stays true. Throws the SystemError of the check
  // that failed:
  // - "fcntl" EACCES: the descriptor is not open for reading and writing.
  // - "fcntl" EPERM: the file cannot be sealed, and `mayShrink` is false.
  // - "fstatfs" EINVAL with `hugetlbfs`, `tmpfs` and `pageSize` as found: the memory consists of other pages.
  // - "fstat" EINVAL with `fileSize`: the file is too short.
  void require(std::size_t size, const PageSize& page) const;

 private:
  os::Descriptor descriptor_;
  Range range_;
};

}  // namespace pinfold::memory
