#include "memory/backing_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "os/system_error.h"
#include "test/child.h"
#include "test/hugepages.h"
#include "test/kernel_view.h"
#include "test/scratch_hugetlbfs.h"
#include "test/tap.h"

namespace pinfold::memory {
namespace {

const std::size_t page = test::hugepageSize();

BackingFile::Request requestOf(const std::string& path) { return {.path = path, .size = 2 * page, .pageSize = page}; }

os::Descriptor made(const std::string& path, std::size_t size) {
  os::Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!file.valid() || ::ftruncate(file.number(), static_cast<off_t>(size)) != 0) os::throwErrno("open");
  return file;
}

os::SystemError refusal(const BackingFile::Request& request) {
  try {
    const BackingFile file(request);
  } catch (const os::SystemError& error) {
    return error;
  }
  throw tap::Failure("the file was not refused");
}

template <typename Body>
void onMount(const Body& body) {
  test::inChild([&] {
    const test::ScratchHugetlbfs mount(2);
    const std::size_t descriptors = test::openDescriptors();
    body(mount);
    CHECK_EQUAL(test::openDescriptors(), descriptors);
  });
}

TEST("the file is made of the wanted size, for its owner alone, and removed again") {
  onMount([](const test::ScratchHugetlbfs& mount) {
    {
      const BackingFile file(requestOf(mount.path("rx")));
      struct stat status = {};
      CHECK_EQUAL(::stat(mount.path("rx").c_str(), &status), 0);
      CHECK_EQUAL(static_cast<std::size_t>(status.st_size), 2 * page);
      CHECK_EQUAL(status.st_mode & 0777U, 0600U);
      CHECK_EQUAL(::fcntl(file.number(), F_GETFD), FD_CLOEXEC);
    }
    CHECK_EQUAL(mount.files(), 0U);
  });
}

TEST("a file that is to be kept outlives its owner") {
  onMount([](const test::ScratchHugetlbfs& mount) {
    BackingFile(requestOf(mount.path("rx"))).keep();
    CHECK_EQUAL(mount.files(), 1U);
    BackingFile(requestOf(mount.path("rx"))).keep();  // the file exists already
    CHECK_EQUAL(mount.files(), 1U);
  });
}

TEST("a moved owner removes it, once") {
  onMount([](const test::ScratchHugetlbfs& mount) {
    std::optional<BackingFile> second;
    {
      BackingFile first(requestOf(mount.path("rx")));
      second.emplace(std::move(first));
    }
    CHECK_EQUAL(mount.files(), 1U);
    second.reset();
    CHECK_EQUAL(mount.files(), 0U);
  });
}

TEST("somebody else's file of that size is used, and neither resized nor removed") {
  onMount([](const test::ScratchHugetlbfs& mount) {
    (void)made(mount.path("theirs"), 2 * page);
    (void)BackingFile(requestOf(mount.path("theirs")));
    CHECK_EQUAL(mount.files(), 1U);
  });
}

TEST("somebody else's file of another size is refused, and stays as it is") {
  onMount([](const test::ScratchHugetlbfs& mount) {
    (void)made(mount.path("theirs"), page);
    const os::SystemError error = refusal(requestOf(mount.path("theirs")));
    CHECK_EQUAL(error.call(), "fstat");
    CHECK_EQUAL(error.error(), EEXIST);
    CHECK_EQUAL(error.values().front().second, static_cast<double>(page));
    struct stat status = {};
    CHECK_EQUAL(::stat(mount.path("theirs").c_str(), &status), 0);
    CHECK_EQUAL(static_cast<std::size_t>(status.st_size), page);
  });
}

TEST("a file that took the path meanwhile is not removed") {
  onMount([](const test::ScratchHugetlbfs& mount) {
    {
      const BackingFile file(requestOf(mount.path("rx")));
      CHECK_EQUAL(::unlink(mount.path("rx").c_str()), 0);
      (void)made(mount.path("rx"), page);
    }
    CHECK_EQUAL(mount.files(), 1U);
  });
}

TEST("a relative path is removed, although the working directory has changed") {
  onMount([](const test::ScratchHugetlbfs& mount) {
    CHECK_EQUAL(::chdir(mount.directory().c_str()), 0);
    std::optional<BackingFile> file(std::in_place, requestOf("rx"));
    CHECK_EQUAL(::chdir("/"), 0);
    file.reset();
    CHECK_EQUAL(mount.files(), 0U);
  });
}

TEST("a process that exits removes it, although nobody destroyed its owner") {
  onMount([](const test::ScratchHugetlbfs& mount) {
    const pid_t child = ::fork();
    if (child == 0) {
      static const BackingFile* const file = std::make_unique<BackingFile>(requestOf(mount.path("rx"))).release();
      BackingFile(requestOf(mount.path("kept"))).keep();
      std::exit(file->number() >= 0 ? 0 : 1);  // NOLINT(concurrency-mt-unsafe): a child of one thread
    }
    int status = 0;
    CHECK_EQUAL(::waitpid(child, &status, 0), child);
    CHECK_EQUAL(status, 0);
    CHECK_EQUAL(mount.files(), 1U);
  });
}

TEST("what is no hugetlbfs is refused, and the file that was made there is gone") {
  const std::string path = "/tmp/pinfold-test-" + std::to_string(::getpid());
  const os::SystemError error = refusal(requestOf(path));
  CHECK_EQUAL(error.call(), "fstatfs");
  CHECK_EQUAL(error.error(), EINVAL);
  CHECK_EQUAL(error.values().front().first, "hugetlbfs");
  CHECK_EQUAL(error.values().front().second, 0.0);
  CHECK_EQUAL(::access(path.c_str(), F_OK), -1);
}

TEST("a mount of another page size is refused, with the size that it has") {
  onMount([](const test::ScratchHugetlbfs& mount) {
    BackingFile::Request request = requestOf(mount.path("rx"));
    request.pageSize = 2 * page;
    const os::SystemError error = refusal(request);
    CHECK_EQUAL(error.error(), EINVAL);
    CHECK_EQUAL(error.values().front().second, 1.0);
    CHECK_EQUAL(error.values().back().second, static_cast<double>(page));
    CHECK_EQUAL(mount.files(), 0U);
  });
}

TEST("a size that is no multiple of the page leaves no file") {
  onMount([](const test::ScratchHugetlbfs& mount) {
    BackingFile::Request request = requestOf(mount.path("rx"));
    request.size = page + 1;
    CHECK_EQUAL(refusal(request).call(), "ftruncate");
    CHECK_EQUAL(mount.files(), 0U);
  });
}

TEST("a link, a FIFO and a directory are refused, not followed or waited for") {
  onMount([](const test::ScratchHugetlbfs& mount) {
    (void)made(mount.path("target"), 2 * page);
    const std::string link = mount.directory() + "-link";  // a hugetlbfs has no room for links
    CHECK_EQUAL(::symlink(mount.path("target").c_str(), link.c_str()), 0);
    const int refused = refusal(requestOf(link)).error();
    CHECK_EQUAL(::unlink(link.c_str()), 0);
    CHECK_EQUAL(refused, ELOOP);
    CHECK_EQUAL(::mkfifo(mount.path("fifo").c_str(), 0600), 0);
    CHECK(refusal(requestOf(mount.path("fifo"))).error() != 0);
    CHECK_EQUAL(refusal(requestOf(mount.directory())).error(), EISDIR);
    CHECK_EQUAL(refusal(requestOf(mount.path("no/such"))).error(), ENOENT);
  });
}

}  // namespace
}  // namespace pinfold::memory

TAP_MAIN()
