// A window of a region is one ArrayBuffer of one JavaScript thread.
//
// The region's address range must outlive everything that can reach the bytes through the window:
// - the ArrayBuffer object. A zlib or fs job of the runtime keeps only that object and a bare pointer, and detaching
//   frees the backing store during the job;
// - the backing store. A crypto job keeps the backing store, and not the object;
// - the new owner of a backing store that JavaScript has moved (ArrayBuffer.prototype.transfer, a read of a byte
//   stream). The new owner may belong to another thread, outlive this thread, and start jobs of the first kind. Nothing
//   tells when it ends.
// So a range is lent until both the object and the backing store are gone. Once a window was moved, the range is kept
// for ever.
#pragma once

#include <napi.h>

#include <cstddef>

#include "memory/region_table.h"

namespace pinfold::addon {

class Window {
 public:
  // Throws SystemError("napi_create_external_arraybuffer", EOPNOTSUPP) in a runtime that has no external ArrayBuffers.
  Window(napi_env env, const memory::RegionUser& user, std::size_t offset, std::size_t length);
  Window(Window&& other) noexcept : env_(other.env_), buffer_(std::exchange(other.buffer_, nullptr)) {}
  Window& operator=(Window&& other) noexcept {
    std::swap(env_, other.env_);
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  ~Window();

  Napi::Value buffer() const;
  // True if JavaScript has moved the backing store away: the buffer is detached, and not by detach().
  bool isMoved() const noexcept;
  // Detaches the buffer: its views have length 0 from now on. Does nothing if the window was moved.
  void detach() noexcept;

 private:
  napi_value value() const noexcept;  // null when the call fails

  napi_env env_;
  napi_ref buffer_ = nullptr;  // strong, since a collected buffer would look like a moved one
};

}  // namespace pinfold::addon
