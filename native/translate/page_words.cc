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

// How many of the frames from the first on are neighbours, so that one read serves them.
std::size_t neighbours(std::span<const double> physical, double base) {
  std::size_t count = 1;
  while (count < physical.size() && physical[count] == physical[count - 1] + base) ++count;
  return count;
}

}  // namespace

void readPageWords(PageWords file, std::span<const double> physical, std::span<std::uint64_t> words) {
  const char* const path = file == PageWords::Flags ? "/proc/kpageflags" : "/proc/kpagecount";
  const os::Descriptor source(::open(path, O_RDONLY | O_CLOEXEC));
  if (!source.valid()) os::throwErrno("open");
  const auto base = static_cast<double>(memory::basePageSize());
  std::ranges::fill(words, 0);
  for (std::size_t at = 0; at < physical.size();) {
    if (!(physical[at] >= 0)) {
      ++at;
      continue;
    }
    const std::size_t count = neighbours(physical.subspan(at), base);
    const std::span<std::uint64_t> run = words.subspan(at, count);
    const auto offset = static_cast<off_t>(physical[at] / base) * static_cast<off_t>(sizeof(std::uint64_t));
    const ssize_t got = ::pread(source.number(), run.data(), run.size_bytes(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) os::throwErrno("pread", {{"physical", physical[at]}});
    // Short or empty at the end of memory: those words stay 0.
    at += std::max<std::size_t>(1, static_cast<std::size_t>(got) / sizeof(std::uint64_t));
  }
}

}  // namespace pinfold::translate
