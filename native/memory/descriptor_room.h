// RLIMIT_NOFILE limits the descriptors of a process. The program shares this limit, and can open no file and accept no
// connection without a free descriptor. So regions that keep a descriptor leave the last eighth of the limit unused.
#pragma once

namespace pinfold::memory {

// Call this with a new descriptor that a region will keep. Throws SystemError("getrlimit", EMFILE), with `open`,
// `limit` and `reserve`, when it is one of the last. Nothing is counted: the kernel gives the lowest free number, so at
// least that many others are open.
void requireDescriptorRoom(int descriptor);

}  // namespace pinfold::memory
