// For tests: devices that fail on demand, and a device that does nothing. No function here can make memory unsafe.
#include <napi.h>

#include <cstdint>

#include "addon/bindings.h"
#include "addon/boundary.h"
#include "addon/verbs_arguments.h"
#include "verbs/chosen_library.h"

namespace pinfold::addon {
namespace {

verbs::ChosenLibrary& library() { return verbs::ChosenLibrary::process(); }

Napi::Value choose(const Napi::CallbackInfo& info) {
  library().choose(truth(info[0], "noOp"), truth(info[1], "faults"));
  return info.Env().Undefined();
}

Napi::Value inject(const Napi::CallbackInfo& info) {
  library().faults().inject(text(info[0], "function"), wholeNumber(info[1], "nth"), integer(info[2], "errno"));
  return info.Env().Undefined();
}

Napi::Value clear(const Napi::CallbackInfo& info) {
  library().faults().clear();
  return info.Env().Undefined();
}

Napi::Value remove(const Napi::CallbackInfo& info) {
  library().faults().remove();
  library().noOp().happen(IBV_EVENT_DEVICE_FATAL, 0);
  return info.Env().Undefined();
}

Napi::Value happen(const Napi::CallbackInfo& info) {
  const auto type = static_cast<ibv_event_type>(wholeNumber(info[0], "type", UINT8_MAX));
  // Events of objects are refused, since they need an object.
  if (type < IBV_EVENT_DEVICE_FATAL || (type > IBV_EVENT_SM_CHANGE && type < IBV_EVENT_CLIENT_REREGISTER) ||
      type > IBV_EVENT_GID_CHANGE) {
    throw ArgumentError("type is no event of a device or port");
  }
  library().noOp().happen(type, integer(info[1], "port"));
  return info.Env().Undefined();
}

Napi::Value calls(const Napi::CallbackInfo& info) {
  Napi::Object counted = object(info.Env());
  for (const auto& [function, count] : library().faults().calls()) {
    set(counted, function.c_str(), static_cast<double>(count));
  }
  return counted;
}

Napi::Value live(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(library().faults().live()));
}

}  // namespace

void bindVerbsTest(Napi::Object exports) {
  bind<choose>(exports, "choose");
  bind<inject>(exports, "inject");
  bind<clear>(exports, "clear");
  bind<remove>(exports, "remove");
  bind<happen>(exports, "happen");
  bind<calls>(exports, "calls");
  bind<live>(exports, "live");
}

}  // namespace pinfold::addon
