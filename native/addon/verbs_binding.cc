// RDMA for JavaScript: the functions of `verbs`, and `verbs.test`.
#include <napi.h>

#include "addon/bindings.h"
#include "addon/boundary.h"

namespace pinfold::addon {

void bindVerbs(Napi::Object exports) {
  Napi::Object functions = Napi::Object::New(exports.Env());
  Napi::Object test = Napi::Object::New(exports.Env());
  if (functions.IsEmpty() || test.IsEmpty()) return;  // the thread is ending
  bindVerbsDevices(functions);
  bindVerbsMemory(functions);
  bindVerbsQueues(functions);
  bindVerbsTest(test);
  (void)functions.Set("test", test);
  (void)exports.Set("verbs", functions);
}

}  // namespace pinfold::addon
