// libibverbs, loaded when it is first asked for, and never unloaded: its providers have threads and fork handlers.
//
// Nothing of it is linked. PINFOLD_LIBIBVERBS names another file to load, except in a process with raised privileges.
#pragma once

#include "verbs/function_table.h"

namespace pinfold::verbs {

// The real table. Throws SystemError("dlopen", ELIBACC) that tells what the loader said, and SystemError("dlvsym",
// ENOSYS) when the library is too old to be of use. A failure is not remembered: the library may be installed
// meanwhile.
Functions libraryFunctions();

}  // namespace pinfold::verbs
