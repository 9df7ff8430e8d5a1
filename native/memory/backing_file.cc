#include "memory/backing_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "memory/process_wide.h"
#include "os/system_calls.h"
#include "os/system_error.h"

namespace pinfold::memory {
namespace {

// The files that this process must remove. process.exit destroys no region, so an exit handler removes the files that
// are left.
class Removals {
 public:
  Removals() {
    // In practice atexit never fails (atexit(3): at least 32 handlers). If it failed, an exit would leave the files, as
    // a kill does.
    (void)std::atexit([] { processWide<Removals>().runAll(); });
  }

  // The path is stored as an absolute path, since the working directory may change. The inode is stored, too: another
  // file may take the path meanwhile, and that file must not be removed.
  std::uint64_t add(const std::string& path, int file) {
    std::error_code failure;
    std::string absolute = std::filesystem::absolute(path, failure).string();
    if (failure) throw os::SystemError("getcwd", failure.value());
    struct stat status = {};
    if (::fstat(file, &status) != 0) os::throwErrno("fstat");
    const std::scoped_lock lock(mutex_);
    const std::uint64_t number = next_++;
    files_.emplace(number, File{std::move(absolute), status.st_dev, status.st_ino});
    return number;
  }

  void run(std::uint64_t number) noexcept {
    const std::scoped_lock lock(mutex_);
    const auto found = files_.find(number);
    if (found == files_.end()) return;
    remove(found->second);
    files_.erase(found);
  }

  void forget(std::uint64_t number) noexcept {
    const std::scoped_lock lock(mutex_);
    files_.erase(number);
  }

 private:
  struct File {
    std::string path;
    dev_t device;
    ino_t inode;
  };

  static void remove(const File& file) noexcept {
    struct stat status = {};
    if (::lstat(file.path.c_str(), &status) != 0) return;  // the file was removed already
    if (status.st_dev == file.device && status.st_ino == file.inode) (void)::unlink(file.path.c_str());
  }

  void runAll() noexcept {
    const std::scoped_lock lock(mutex_);
    for (const auto& [number, file] : files_) remove(file);
    files_.clear();
  }

  std::mutex mutex_;
  std::uint64_t next_ = 1;
  std::unordered_map<std::uint64_t, File> files_;
};

// Throws EINVAL, with the values found, unless the file is on a hugetlbfs of this page size.
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

// O_NONBLOCK: a FIFO at the path is refused, and open does not wait for it. O_NOFOLLOW: a link is refused.
BackingFile::BackingFile(const Request& request) {
  const char* const path = request.path.c_str();
  constexpr int kFlags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  descriptor_ = os::Descriptor(::open(path, kFlags | O_CREAT | O_EXCL, 0600));
  const bool made = descriptor_.valid();
  if (!made && errno == EEXIST) descriptor_ = os::Descriptor(::open(path, kFlags));
  if (!descriptor_.valid()) os::throwErrno("open");
  try {
    requireHugetlbfs(number(), request.pageSize);
    // A file that existed before is never resized and never removed.
    if (!made) {
      requireSize(number(), request.size);
    } else if (::ftruncate(number(), static_cast<off_t>(request.size)) != 0) {
      os::throwErrno("ftruncate");
    }
    if (made) removal_ = processWide<Removals>().add(request.path, number());
  } catch (...) {
    if (made) (void)::unlink(path);
    throw;
  }
}

BackingFile::BackingFile(BackingFile&& other) noexcept
    : removal_(std::exchange(other.removal_, 0)), descriptor_(std::move(other.descriptor_)) {}

void BackingFile::keep() noexcept {
  if (removal_ != 0) processWide<Removals>().forget(std::exchange(removal_, 0));
}

BackingFile::~BackingFile() {
  if (removal_ != 0) processWide<Removals>().run(removal_);
}

}  // namespace pinfold::memory
