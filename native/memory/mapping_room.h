// How many mappings a process may have, vm.max_map_count, is a limit that the runtime shares with us and does not
// survive: V8 aborts when it is given no memory. So regions leave the last eighth of it alone.
#pragma once

namespace pinfold::memory {

// To be asked before each mapping is made. Throws SystemError("mmap", ENOMEM) when the process has too many mappings.
void requireMappingRoom();

}  // namespace pinfold::memory
