// A file on a hugetlbfs mount. If BackingFile created the file, the destructor removes it, or an exit handler if the
// process exits first. keep() prevents this. A process that is killed leaves the file behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "os/descriptor.h"

namespace pinfold::memory {

class BackingFile {
 public:
  struct Request {
    std::string path;
    std::size_t size;
    std::size_t pageSize;
  };

  // Creates the file, or opens an existing file of exactly this size.
  // Throws SystemError("open" ...), ("fstatfs", EINVAL) when the file is not on a hugetlbfs of this page size, and
  // ("fstat", EEXIST) when a file of another size exists.
  explicit BackingFile(const Request& request);
  BackingFile(BackingFile&& other) noexcept;
  BackingFile& operator=(BackingFile&&) = delete;
  ~BackingFile();

  int number() const noexcept { return descriptor_.number(); }

  // The file is not removed, even if BackingFile created it.
  void keep() noexcept;

 private:
  std::uint64_t removal_ = 0;  // 0 when the file must not be removed
  os::Descriptor descriptor_;
};

}  // namespace pinfold::memory
