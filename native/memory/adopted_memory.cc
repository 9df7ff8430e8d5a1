#include "memory/adopted_memory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>

#include "os/system_calls.h"
#include "os/system_error.h"

namespace pinfold::memory {
namespace {

void requireReadWrite(int file) {
  const int flags = ::fcntl(file, F_GETFL);
  if (flags < 0) os::throwErrno("fcntl");
  if ((flags & O_ACCMODE) != O_RDWR) throw os::SystemError("fcntl", EACCES);
}

// A device or a pipe can lie on a tmpfs, but is not memory. So only regular files are accepted.
void requirePages(int file, const PageSize& page) {
  struct stat node = {};
  if (::fstat(file, &node) != 0) os::throwErrno("fstat");
  struct statfs status = {};
  if (::fstatfs(file, &status) != 0) os::throwErrno("fstatfs");
  const unsigned long type = S_ISREG(node.st_mode) ? static_cast<unsigned long>(status.f_type) : 0;
  const bool isHugetlbfs = type == static_cast<unsigned long>(os::kHugetlbfsMagic);
  const bool isTmpfs = type == static_cast<unsigned long>(os::kTmpfsMagic);
  const auto found = static_cast<std::size_t>(status.f_bsize);
  if (page.kind == PageKind::Hugetlb ? isHugetlbfs && found == page.bytes : isTmpfs) return;
  throw os::SystemError(
      "fstatfs", EINVAL,
      {{"hugetlbfs", isHugetlbfs ? 1 : 0}, {"tmpfs", isTmpfs ? 1 : 0}, {"pageSize", static_cast<double>(found)}});
}

// If a file ends inside of a page, the whole page can be mapped.
void requireSize(int file, std::size_t offset, std::size_t size) {
  struct stat status = {};
  if (::fstat(file, &status) != 0) os::throwErrno("fstat");
  const auto found = static_cast<std::size_t>(status.st_size);
  const std::size_t there = roundUp(found, basePageSize());
  if (offset <= there && size <= there - offset) return;
  throw os::SystemError("fstat", EINVAL, {{"fileSize", static_cast<double>(found)}});
}

void requireToStay(int file, bool mayShrink) {
  const int seals = ::fcntl(file, F_GET_SEALS);
  if (seals >= 0 && (seals & F_SEAL_SHRINK) != 0) return;
  if (::fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) == 0 || mayShrink) return;
  throw os::SystemError("fcntl", EPERM);
}

}  // namespace

AdoptedMemory::AdoptedMemory(int descriptor, const Range& range)
    : descriptor_(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0)), range_(range) {
  if (!descriptor_.valid()) os::throwErrno("fcntl", {{"descriptor", static_cast<double>(descriptor)}});
}

// The seal comes before the size check, so that a sealed file cannot shrink after the check.
void AdoptedMemory::require(std::size_t size, const PageSize& page) const {
  requireReadWrite(number());
  requirePages(number(), page);
  requireToStay(number(), range_.mayShrink);
  requireSize(number(), offset(), size);
}

}  // namespace pinfold::memory
