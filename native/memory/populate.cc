#include "memory/populate.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "memory/placement.h"
#include "os/descriptor.h"
#include "os/system_calls.h"
#include "os/system_error.h"

namespace pinfold::memory {
namespace {

// Makes every page of the range present. Returns errno, 0 for success.
int faultIn(const Populate& request, std::byte* begin, std::size_t length) {
  for (;;) {
    if (::madvise(begin, length, os::kMadvPopulateWrite) == 0) return 0;
    if (errno == EINTR || errno == EAGAIN) continue;
    if (errno != EINVAL) return errno;
    const std::size_t step = request.page.kind == PageKind::Hugetlb ? request.page.bytes : basePageSize();
    return touchThroughKernel(begin, length, step, request.mayHoldData ? Touch::Read : Touch::Write);
  }
}

// Best effort: memory that cannot be collapsed stays on base pages. The region reports its share of huge pages from
// smaps.
void collapse(std::byte* begin, std::size_t length) { (void)::madvise(begin, length, os::kMadvCollapse); }

int populatePart(const Populate& request, std::byte* begin, std::size_t length) {
  if (request.page.kind != PageKind::Transparent) return faultIn(request, begin, length);
  if (!request.isShared) {
    if (const int error = faultIn(request, begin, length); error != 0) return error;
    collapse(begin, length);
    return 0;
  }
  for (std::size_t at = 0; at < length; at += request.page.bytes) {
    if (const int error = faultIn(request, begin + at, std::min(basePageSize(), length - at)); error != 0) return error;
  }
  collapse(begin, length);
  return faultIn(request, begin, length);
}

int populateChunk(const Populate& request, std::size_t offset, std::size_t length) {
  if (request.spread.empty()) return populatePart(request, request.begin + offset, length);
  ThreadPlacement placement;
  for (const std::size_t end = offset + length; offset < end; offset += request.page.bytes) {
    placement.prefer(request.spread[offset / request.page.bytes % request.spread.size()]);
    const std::size_t part = std::min(request.page.bytes, end - offset);
    if (const int error = populatePart(request, request.begin + offset, part); error != 0) return error;
  }
  return 0;
}

// Hands the chunks of one mapping to threads, in order. The first failure stops all threads.
class Chunks {
 public:
  Chunks(const Populate& request, const std::atomic<bool>& cancelled) : request_(request), cancelled_(cancelled) {}

  std::size_t count() const { return (request_.size + length() - 1) / length(); }

  void work() {
    for (;;) {
      const std::size_t offset = next_.fetch_add(length());
      if (offset >= request_.size || error_.load() != 0) return;
      if (cancelled_.load()) return fail(ECANCELED);
      const std::size_t size = std::min(length(), request_.size - offset);
      if (const int error = populateChunk(request_, offset, size); error != 0) return fail(error);
      if (request_.announcement != nullptr) request_.announcement->populated(size);
    }
  }

  int error() const { return error_.load(); }

 private:
  std::size_t length() const { return std::max(kPopulateChunk, request_.page.bytes); }

  void fail(int error) {
    int none = 0;
    error_.compare_exchange_strong(none, error);
  }

  const Populate& request_;
  const std::atomic<bool>& cancelled_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<int> error_ = 0;
};

// Threads that are joined when the object is destroyed, on every path. (std::jthread does this, too, but libc++ 16, the
// library of the prebuilt files, lacks it.)
class JoinedThreads {
 public:
  explicit JoinedThreads(std::size_t most) { threads_.reserve(most); }
  JoinedThreads(const JoinedThreads&) = delete;
  JoinedThreads& operator=(const JoinedThreads&) = delete;
  ~JoinedThreads() {
    for (std::thread& thread : threads_) thread.join();
  }

  // Throws std::system_error when the thread cannot be started.
  template <typename Work>
  void start(Work work) {
    threads_.emplace_back(std::move(work));
  }

 private:
  std::vector<std::thread> threads_;
};

}  // namespace

int touchThroughKernel(std::byte* begin, std::size_t length, std::size_t pageSize, Touch touch) {
  // For Touch::Read, the kernel writes the bytes to a memfd, and must read them for that. All writes go to the same
  // page.
  const os::Descriptor other(touch == Touch::Write ? ::open("/dev/zero", O_RDONLY | O_CLOEXEC)
                                                   : ::memfd_create("pinfold:touch", MFD_CLOEXEC));
  if (!other.valid()) return errno;
  std::array<iovec, 512> vectors{};
  for (std::size_t offset = 0; offset < length;) {
    std::size_t count = 0;
    for (std::size_t at = offset; count < vectors.size() && at < length; ++count, at += pageSize) {
      vectors[count] = {begin + at, 1};
    }
    const int vectorCount = static_cast<int>(count);
    const ssize_t got = touch == Touch::Write ? ::readv(other.number(), vectors.data(), vectorCount)
                                              : ::pwritev(other.number(), vectors.data(), vectorCount, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return EFAULT;
    // A short count means that a page is missing. The next round begins with that page, and fails. (A kernel may also
    // stop between pages for a signal. Then the next round continues.)
    offset += static_cast<std::size_t>(got) * pageSize;
  }
  return 0;
}

void populate(const Populate& request, const std::atomic<bool>& cancelled) {
  Chunks chunks(request, cancelled);
  const std::size_t helpers = std::max<std::size_t>(1, std::min<std::size_t>(request.threads, chunks.count())) - 1;
  {
    JoinedThreads threads(helpers);
    try {
      for (std::size_t i = 0; i < helpers; ++i) threads.start([&chunks] { chunks.work(); });
    } catch (const std::system_error&) {
      // No further thread can be started (pids limit). The threads that exist do the work.
    }
    chunks.work();
  }
  if (chunks.error() != 0) throw os::SystemError("madvise", chunks.error());
}

}  // namespace pinfold::memory
