#include "translate/page_words.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "memory/page_size.h"
#include "os/descriptor.h"
#include "os/system_error.h"

namespace pinfold::translate {
namespace {

// Physical addresses end at 52 bits on every architecture. A larger value, or NaN, names no frame.
constexpr double kEndOfMemory = 0x1p52;
constexpr std::uint64_t kNoFrame = ~std::uint64_t{0};

std::uint64_t frameOf(double physical, std::size_t base) {
  if (!(physical >= 0 && physical < kEndOfMemory)) return kNoFrame;
  return static_cast<std::uint64_t>(physical) / base;
}

// Reads the words of consecutive frames. The file ends with the memory of the machine; words past that end stay 0.
void readRun(const os::Descriptor& source, std::uint64_t frame, std::span<std::uint64_t> words) {
  while (!words.empty()) {
    const auto offset = static_cast<off_t>(frame * sizeof(std::uint64_t));
    const ssize_t got = ::pread(source.number(), words.data(), words.size_bytes(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) os::throwErrno("pread", {{"frame", static_cast<double>(frame)}});
    const std::size_t count = static_cast<std::size_t>(got) / sizeof(std::uint64_t);
    if (count == 0) return;
    words = words.subspan(count);
    frame += count;
  }
}

}  // namespace

void readPageWords(PageWords file, std::span<const double> physical, std::span<std::uint64_t> words) {
  const char* const path = file == PageWords::Flags ? "/proc/kpageflags" : "/proc/kpagecount";
  const os::Descriptor source(::open(path, O_RDONLY | O_CLOEXEC));
  if (!source.valid()) os::throwErrno("open");
  const std::size_t base = memory::basePageSize();
  std::ranges::fill(words, 0);
  // Each address is read only once, since it lies in memory of JavaScript, where another thread may write.
  std::uint64_t next = physical.empty() ? kNoFrame : frameOf(physical.front(), base);
  for (std::size_t at = 0; at < physical.size();) {
    // One call reads neighbouring frames.
    const std::uint64_t first = next;
    std::size_t count = 0;
    do {
      ++count;
      next = at + count < physical.size() ? frameOf(physical[at + count], base) : kNoFrame;
    } while (first != kNoFrame && next == first + count);
    if (first != kNoFrame) readRun(source, first, words.subspan(at, count));
    at += count;
  }
}

}  // namespace pinfold::translate
