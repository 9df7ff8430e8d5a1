#include "addon/window.h"

#include <cerrno>
#include <memory>

#include "addon/boundary.h"
#include "os/system_error.h"

namespace pinfold::addon {
namespace {

using Share = std::shared_ptr<memory::LentBuffer>;

void dropShare(napi_env, void*, void* share) { delete static_cast<Share*>(share); }

}  // namespace

Window::Window(napi_env env, const memory::RegionUser& user, std::size_t offset, std::size_t length) : env_(env) {
  const Share lent = std::make_shared<memory::LentBuffer>(user);
  auto ofBackingStore = std::make_unique<Share>(lent);
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(env, user.entry().begin + offset, length, dropShare,
                                                              ofBackingStore.get(), &buffer);
  Share* const given = ofBackingStore.release();
  if (status != napi_ok) {
    // After a failed call, the finalizer may have run, may run later, or may never run (a worker may be ending). So the
    // few bytes of the share are not freed here. The address range is given back, since nobody has seen the buffer.
    if (lent.use_count() > 1) given->reset();
    // Runtimes with a V8 sandbox (Electron) refuse external buffers. src/ turns this into ERR_EXTERNAL_BUFFERS.
    if (status == napi_no_external_buffers_allowed) {
      throw os::SystemError("napi_create_external_arraybuffer", EOPNOTSUPP);
    }
    throw CallFailed();
  }
  auto ofObject = std::make_unique<Share>(lent);
  require(napi_add_finalizer(env, buffer, ofObject.get(), dropShare, ofObject.get(), nullptr));
  (void)ofObject.release();  // the finalizer owns the share from here on
  require(napi_create_reference(env, buffer, 1, &buffer_));
}

Window::~Window() {
  if (buffer_ != nullptr) (void)napi_delete_reference(env_, buffer_);
}

napi_value Window::value() const noexcept {
  napi_value buffer = nullptr;
  return napi_get_reference_value(env_, buffer_, &buffer) == napi_ok ? buffer : nullptr;
}

Napi::Value Window::buffer() const {
  napi_value buffer = value();
  if (buffer == nullptr) throw CallFailed();
  return {env_, buffer};
}

bool Window::isMoved() const noexcept {
  const Napi::HandleScope scope(env_);
  napi_value buffer = value();
  bool detached = true;  // the safe answer if the call fails
  return buffer == nullptr || napi_is_detached_arraybuffer(env_, buffer, &detached) != napi_ok || detached;
}

void Window::detach() noexcept {
  const Napi::HandleScope scope(env_);
  napi_value buffer = value();
  if (buffer != nullptr) (void)napi_detach_arraybuffer(env_, buffer);  // a buffer that stays attached reads zeros
}

}  // namespace pinfold::addon
