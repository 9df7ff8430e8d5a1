// One function for each subsystem. It adds the subsystem's functions to the module's exports.
#pragma once

#include <napi.h>

#include "addon/boundary.h"

namespace pinfold::addon {

void bindMemory(Napi::Object exports);
void bindShadow(Napi::Object exports);
void bindTranslate(Napi::Object exports);
void bindSystem(Napi::Object exports);
void bindSockets(Napi::Object exports);
void bindVerbs(Napi::Object exports);
void bindVerbsDevices(Napi::Object exports);
void bindVerbsMemory(Napi::Object exports);
void bindVerbsQueues(Napi::Object exports);
void bindVerbsTest(Napi::Object exports);
void bindConnections(Napi::Object exports);

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void bind(Napi::Object& exports, const char* name) {
  (void)exports.Set(name, Napi::Function::New<guarded<function>>(exports.Env(), name));
}

}  // namespace pinfold::addon
