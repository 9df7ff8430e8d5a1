// The addon module. It is initialized once for each JavaScript thread that loads it.
#include <napi.h>

#include "addon/bindings.h"
#include "addon/environment.h"

namespace pinfold::addon {
namespace {

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("version", PINFOLD_VERSION);
  env.SetInstanceData(new Environment(env));  // Node-API deletes it when the thread ends
  bindMemory(exports);
  bindShadow(exports);
  bindTranslate(exports);
  bindSystem(exports);
  bindSockets(exports);
  bindVerbs(exports);
  bindConnections(exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(pinfold, initialize)

}  // namespace pinfold::addon
