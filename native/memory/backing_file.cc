#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>

#include "memory/mapping.h"
#include "os/system_calls.h"
#include "os/system_error.h"

namespace pinfold::memory {
namespace {

// Not a hugetlbfs, or one of another page size: EINVAL, with what was found.
void requireHugetlbfs(int file, std::size_t pageSize) {
  struct statfs status = {};
  if (::fstatfs(file, &status) != 0) os::throwErrno("fstatfs");
  const auto found = static_cast<std::size_t>(status.f_bsize);
  const bool isHugetlbfs = static_cast<unsigned long>(status.f_type) == static_cast<unsigned long>(os::kHugetlbfsMagic);
  if (isHugetlbfs && found == pageSize) return;
  throw os::SystemError("fstatfs", EINVAL,
                        {{"hugetlbfs", isHugetlbfs ? 1 : 0}, {"pageSize", static_cast<double>(found)}});
}

void requireSize(int file, std::size_t size) {
  struct stat status = {};
  if (::fstat(file, &status) != 0) os::throwErrno("fstat");
  if (static_cast<std::size_t>(status.st_size) == size) return;
  throw os::SystemError("fstat", EEXIST, {{"fileSize", static_cast<double>(status.st_size)}});
}

}  // namespace

// O_NONBLOCK and O_NOFOLLOW: a FIFO or a link at that path is refused, not waited for or followed.
BackingFile::BackingFile(const MappingRequest& request) {
  const std::string& path = request.path;
  constexpr int kFlags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  descriptor_ = os::Descriptor(::open(path.c_str(), kFlags | O_CREAT | O_EXCL, 0600));
  const bool made = descriptor_.valid();
  if (!made && errno == EEXIST) descriptor_ = os::Descriptor(::open(path.c_str(), kFlags));
  if (!descriptor_.valid()) os::throwErrno("open");
  try {
    requireHugetlbfs(number(), request.page.bytes);
    // Another's file is never resized and never removed.
    if (!made) {
      requireSize(number(), request.size);
    } else if (::ftruncate(number(), static_cast<off_t>(request.size)) != 0) {
      os::throwErrno("ftruncate");
    }
  } catch (const os::SystemError&) {
    if (made) (void)::unlink(path.c_str());
    throw;
  }
  if (made && !request.keepFile) path_ = path;
}

BackingFile::BackingFile(BackingFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), descriptor_(std::move(other.descriptor_)) {}

BackingFile::~BackingFile() {
  // Somebody else may have removed it already; the file is gone either way.
  if (!path_.empty()) (void)::unlink(path_.c_str());
}

}  // namespace pinfold::memory
