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

// The mappings that one region may add: 1 for itself, 2 for guards, 1 for the mapping that it splits, and 2 for the
// stack and the guard of a thread that populates.
constexpr long kMappingsOfRegion = 6;

// Near the limit, one count gives room for up to this many regions. Otherwise every region would need its own count.
constexpr long kFewest = 16;

// Invalid where there is no /proc: then nothing is counted. Without a free descriptor it throws.
os::Descriptor opened(const char* path) {
  os::Descriptor file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file.valid() && (errno == EMFILE || errno == ENFILE)) os::throwErrno("open");
  return file;
}

// Reads as much of the file as `buffer` can take. Returns 0 at the end, or when the file cannot be read.
std::size_t readSome(const os::Descriptor& file, std::span<char> buffer) {
  const ssize_t got = ::read(file.number(), buffer.data(), buffer.size());
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

long mostMappings() {
  const os::Descriptor file = opened("/proc/sys/vm/max_map_count");
  std::array<char, 32> text{};
  if (readSome(file, {text.data(), text.size() - 1}) == 0) return std::numeric_limits<int>::max();
  return std::strtol(text.data(), nullptr, 10);
}

long countMappings() {
  const os::Descriptor file = opened("/proc/self/maps");
  std::array<char, 65536> lines{};
  long count = 0;
  while (const std::size_t got = readSome(file, lines)) count += std::count(lines.data(), lines.data() + got, '\n');
  return count;
}

// Near the limit, one count serves so many regions that are made and closed in turn. It takes some milliseconds then.
constexpr long kMostUncounted = 256;

// Counting takes the kernel a microsecond for each mapping. So mappings are counted again only when the regions since
// the last count may have used a quarter of the room that was left. The rest is for mappings that the program makes
// meanwhile: it may make some for each region that it makes, so regions that were closed again count, too.
struct Room {
  std::mutex mutex;
  long regions = 0;    // how many more regions there may be
  long uncounted = 0;  // how many more may be made without a new count, though others were closed
};

}  // namespace

MappingRoom::MappingRoom() {
  Room& room = processWide<Room>();
  const std::scoped_lock lock(room.mutex);
  if (room.regions <= 0 || room.uncounted <= 0) {
    const long most = mostMappings();
    const long count = countMappings();
    const long limit = most - most / 8;
    const long left = std::max(0L, limit - count) / kMappingsOfRegion;
    room.regions = std::max(left / 4, std::min(left, kFewest));
    room.uncounted = std::max(room.regions, kMostUncounted);
    if (room.regions == 0) {
      throw os::SystemError("mmap", ENOMEM,
                            {{"mappings", static_cast<double>(count)},
                             {"limit", static_cast<double>(limit)},
                             {"maxMappings", static_cast<double>(most)}});
    }
  }
  --room.regions;
  --room.uncounted;
}

MappingRoom::~MappingRoom() {
  if (!isTaken_) return;
  Room& room = processWide<Room>();
  const std::scoped_lock lock(room.mutex);
  ++room.regions;
}

}  // namespace pinfold::memory
