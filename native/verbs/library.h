// libibverbs is loaded at its first use and never unloaded, since its providers run threads and register fork handlers.
//
// The addon does not link to it. PINFOLD_LIBIBVERBS names another file to load, except in a process with raised
// privileges.
#pragma once

#include "verbs/function_table.h"

namespace pinfold::verbs {

// The table of the real library. Throws SystemError("dlopen", ELIBACC) with the message of the loader, and
// SystemError("dlvsym", ENOSYS) when the library is too old. A failure is not remembered, since the library may be
// installed later.
Functions libraryFunctions();

}  // namespace pinfold::verbs
