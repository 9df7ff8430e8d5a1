// RLIMIT_AS limits the address space of a process, and RLIMIT_DATA its private memory. The program shares both limits,
// and V8 aborts when the kernel gives it no memory. So regions leave the last eighth of each limit unused.
#pragma once

#include <cstddef>

namespace pinfold::memory {

// Call this before a region of `size` bytes is mapped. Throws SystemError("mmap", ENOMEM) when it would need the last
// of a limit. `isPrivate`: it counts against RLIMIT_DATA, too.
void requireAddressRoom(std::size_t size, bool isPrivate);

}  // namespace pinfold::memory
