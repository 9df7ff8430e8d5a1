// A hugetlbfs file by path. One that was made here is removed again when its owner goes, or when the process exits
// before that, unless the owner has said that it stays. Only a process that is killed leaves it behind.
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

  // Makes the file, or opens one that somebody else made of just this size.
  // Throws SystemError("open" ...), ("fstatfs", EINVAL) when it is on no hugetlbfs of this page size, and
  // ("fstat", EEXIST) when it is there with another size.
  explicit BackingFile(const Request& request);
  BackingFile(BackingFile&& other) noexcept;
  BackingFile& operator=(BackingFile&&) = delete;
  ~BackingFile();

  int number() const noexcept { return descriptor_.number(); }

  // It stays, also when it was made here.
  void keep() noexcept;

 private:
  std::uint64_t removal_ = 0;  // 0 when the file is not ours to remove
  os::Descriptor descriptor_;
};

}  // namespace pinfold::memory
