// The inline functions of infiniband/verbs.h. They call the provider of the device, through the context.
#pragma once

#include "verbs/function_table.h"

struct _compat_ibv_port_attr;

namespace pinfold::verbs {

using OldQueryDevice = int(ibv_context*, ibv_device_attr*);
using OldQueryPort = int(ibv_context*, std::uint8_t, _compat_ibv_port_attr*);

// ibv_query_device_ex and ___ibv_query_port of the header. They call the older function of libibverbs if the provider
// lacks the extended function. The caller passes it as `old`, since the addon does not link to libibverbs.
int queryDevice(ibv_context* context, ibv_device_attr_ex* attributes, OldQueryDevice* old);
int queryPort(ibv_context* context, std::uint8_t port, ibv_port_attr* attributes, OldQueryPort* old);

// Fills in the functions that need only a context.
void addProviderCalls(FunctionTable& table);

}  // namespace pinfold::verbs
