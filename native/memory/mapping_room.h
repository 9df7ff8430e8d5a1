// vm.max_map_count limits the mappings of a process. The JavaScript runtime shares this limit, and does not survive it:
// V8 aborts when it gets no memory. So regions leave the last eighth of the limit unused.
#pragma once

namespace pinfold::memory {

// Call this before each mapping is made. Throws SystemError("mmap", ENOMEM) when the process contains too many
// mappings.
void requireMappingRoom();

}  // namespace pinfold::memory
