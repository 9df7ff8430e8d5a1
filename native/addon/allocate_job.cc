#include "addon/allocate_job.h"

#include "addon/environment.h"
#include "memory/region_table.h"

namespace pinfold::addon {

Napi::Value AllocateJob::result(Napi::Env /*env*/) {
  return owner().adopt(memory::RegionTable::process().add(std::move(*mapping_), request_, description_));
}

}  // namespace pinfold::addon
