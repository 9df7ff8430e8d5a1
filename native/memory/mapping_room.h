// vm.max_map_count limits the mappings of a process. The JavaScript runtime shares this limit, and does not survive it:
// V8 aborts when it gets no memory. So regions leave the last eighth of the limit unused.
#pragma once

#include <utility>

namespace pinfold::memory {

// The room for the mappings of one region. It is taken before the first mapping is made, and given back after the last
// is gone.
class MappingRoom {
 public:
  // Throws SystemError("mmap", ENOMEM) when the process contains too many mappings, and SystemError("open") with EMFILE
  // or ENFILE when they cannot be counted, since no descriptor is free.
  MappingRoom();
  MappingRoom(MappingRoom&& other) noexcept : isTaken_(std::exchange(other.isTaken_, false)) {}
  MappingRoom& operator=(MappingRoom&&) = delete;
  ~MappingRoom();

  // The mappings stay until the process ends.
  void keep() noexcept { isTaken_ = false; }

 private:
  bool isTaken_ = true;
};

}  // namespace pinfold::memory
