#include "memory/mapping_room.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <span>

#include "memory/process_wide.h"
#include "os/descriptor.h"
#include "os/system_error.h"

namespace pinfold::memory {
namespace {

// A region, a guard on both sides, the mapping that it splits, and the stack and guard of the thread that populates.
constexpr long kMappingsOfRegion = 6;

// Room for so many is handed out at once also near the limit, where counting would else come with every region.
constexpr long kFewest = 16;

// As much of the file as there is place for; 0 when it cannot be read.
std::size_t readSome(const os::Descriptor& file, std::span<char> buffer) {
  const ssize_t got = ::read(file.number(), buffer.data(), buffer.size());
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

long mostMappings() {
  const os::Descriptor file(::open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC));
  std::array<char, 32> text{};
  if (readSome(file, {text.data(), text.size() - 1}) == 0) return std::numeric_limits<int>::max();
  return std::strtol(text.data(), nullptr, 10);
}

long countMappings() {
  const os::Descriptor file(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
  std::array<char, 65536> lines{};
  long count = 0;
  while (const std::size_t got = readSome(file, lines)) count += std::count(lines.data(), lines.data() + got, '\n');
  return count;
}

// Counting takes the kernel a microsecond a mapping. So it is done again only when the regions made since the last time
// may have used up a quarter of the room that was left then; the rest is for what the program maps meanwhile.
struct Room {
  std::mutex mutex;
  long regions = 0;  // that there is room for without counting again
};

}  // namespace

void requireMappingRoom() {
  Room& room = processWide<Room>();
  const std::scoped_lock lock(room.mutex);
  if (room.regions == 0) {
    const long most = mostMappings();
    const long count = countMappings();
    const long limit = most - most / 8;
    const long left = std::max(0L, limit - count) / kMappingsOfRegion;
    room.regions = std::max(left / 4, std::min(left, kFewest));
    if (room.regions == 0) {
      throw os::SystemError("mmap", ENOMEM,
                            {{"mappings", static_cast<double>(count)},
                             {"limit", static_cast<double>(limit)},
                             {"maxMappings", static_cast<double>(most)}});
    }
  }
  --room.regions;
}

}  // namespace pinfold::memory
