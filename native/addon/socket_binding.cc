// Sockets of the loopback device, between threads and processes of one user. src/native.ts declares the functions.
#include <napi.h>

#include <limits>

#include "addon/bindings.h"
#include "addon/boundary.h"
#include "os/abstract_socket.h"
#include "os/descriptor.h"

namespace pinfold::addon {
namespace {

// The number goes to a handle of the runtime, which owns the descriptor from then on.
Napi::Value givenAway(Napi::Env env, os::Descriptor socket) {
  const Napi::Value number = Napi::Number::New(env, socket.number());
  if (number.IsEmpty()) throw CallFailed();
  (void)socket.release();
  return number;
}

Napi::Value listenAbstract(const Napi::CallbackInfo& info) {
  return givenAway(info.Env(), os::listenAbstract(text(info[0], "name")));
}

Napi::Value connectAbstract(const Napi::CallbackInfo& info) {
  return givenAway(info.Env(), os::connectAbstract(text(info[0], "name")));
}

Napi::Value isSameUser(const Napi::CallbackInfo& info) {
  const auto socket = static_cast<int>(wholeNumber(info[0], "fd", std::numeric_limits<int>::max()));
  return Napi::Boolean::New(info.Env(), os::isSameUser(socket));
}

}  // namespace

void bindSockets(Napi::Object exports) {
  bind<listenAbstract>(exports, "listenAbstract");
  bind<connectAbstract>(exports, "connectAbstract");
  bind<isSameUser>(exports, "isSameUser");
}

}  // namespace pinfold::addon
