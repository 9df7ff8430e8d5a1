#include "memory/shadow.h"

#include <sys/mman.h>

#include <cerrno>
#include <iterator>

#include "os/system_error.h"

namespace pinfold::memory {
namespace {

// The pages are mapped elsewhere and moved over the range: mmap(MAP_FIXED) unmaps first, and if it then fails, it
// leaves a hole (see Mapping::retire). mremap(2) of hugetlb pages needs Linux 5.16.
bool moveOver(AddressRange&& pages, std::byte* place) noexcept {
  const std::size_t size = pages.size();
  if (::mremap(pages.begin(), size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place) == MAP_FAILED) return false;
  pages.disown();
  return true;
}

}  // namespace

void Shadow::map(const RegionUser& user, std::size_t offset, std::size_t length, std::size_t at) {
  const auto size = static_cast<double>(length);
  const auto behind = mapped_.lower_bound(at);
  const bool isFree = at <= size_ && length <= size_ - at && length > 0 &&
                      (behind == mapped_.end() || behind->first >= at + length) &&
                      (behind == mapped_.begin() || std::prev(behind)->first + std::prev(behind)->second <= at);
  if (!isFree) throw os::SystemError("mmap", EEXIST, {{"size", size}});
  const auto entry = mapped_.emplace(at, length).first;  // before the pages are there: it may throw
  try {
    if (!moveOver(user.mapAgain(offset, length), begin_ + at)) os::throwErrno("mremap", {{"size", size}});
  } catch (...) {
    mapped_.erase(entry);
    throw;
  }
}

bool Shadow::retire(std::size_t at) noexcept {
  const auto found = mapped_.find(at);
  if (found == mapped_.end()) return false;
  const std::size_t size = found->second;
  void* const empty = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (empty == MAP_FAILED) return false;
  if (!moveOver(AddressRange(static_cast<std::byte*>(empty), size), begin_ + at)) return false;
  mapped_.erase(found);
  return true;
}

}  // namespace pinfold::memory
