// A hugetlbfs mount that only this process sees, for use in a child (child.h). It contains at most `pages` pages. So a
// test can cause a shortage without taking hugepages from other processes.
#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <string>

#include "os/system_error.h"
#include "test/hugepages.h"
#include "test/kernel_view.h"
#include "test/tap.h"

namespace pinfold::test {

class ScratchHugetlbfs {
 public:
  explicit ScratchHugetlbfs(std::size_t pages) {
    const std::size_t pageSize = hugepageSize();
    requireHugepages(pages);
    if (::unshare(CLONE_NEWNS) != 0) SKIP("unshare(CLONE_NEWNS) is refused: root is wanted, to mount a hugetlbfs");
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) os::throwErrno("mount");
    std::string path = "/tmp/pinfold-test-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) os::throwErrno("mkdtemp");
    directory_ = path;
    const std::string options = "pagesize=" + std::to_string(pageSize) + ",size=" + std::to_string(pageSize * pages);
    if (::mount("none", path.c_str(), "hugetlbfs", 0, options.c_str()) == 0) return;
    const int error = errno;
    (void)::rmdir(path.c_str());
    SKIP(std::string("no hugetlbfs can be mounted here: ") + os::SystemError("mount", error).what());
  }
  ScratchHugetlbfs(const ScratchHugetlbfs&) = delete;
  ScratchHugetlbfs& operator=(const ScratchHugetlbfs&) = delete;
  ~ScratchHugetlbfs() {
    (void)::umount2(directory_.c_str(), MNT_DETACH);
    (void)::rmdir(directory_.c_str());
  }

  const std::string& directory() const { return directory_; }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::size_t files() const { return countOf(directory_.c_str()); }

 private:
  std::string directory_;
};

}  // namespace pinfold::test
