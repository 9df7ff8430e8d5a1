// librdmacm is loaded at its first use and never unloaded, like libibverbs, which it uses (verbs/library.h).
//
// PINFOLD_LIBRDMACM names another file to load, except in a process with raised privileges.
#pragma once

#include "connections/function_table.h"

namespace pinfold::connections {

// The table of the real library. Throws SystemError("dlopen", ELIBACC) with the message of the loader, and
// SystemError("dlvsym", ENOSYS) when the library is too old. A failure is not remembered, since the library may be
// installed later.
Functions libraryFunctions();

}  // namespace pinfold::connections
