#include "memory/page_size.h"

#include <unistd.h>

namespace pinfold::memory {

std::size_t basePageSize() noexcept {
  static const std::size_t size = [] {
    const long answer = ::sysconf(_SC_PAGESIZE);
    return answer > 0 ? static_cast<std::size_t>(answer) : std::size_t{4096};
  }();
  return size;
}

}  // namespace pinfold::memory
