// A window of a region: one ArrayBuffer of one JavaScript thread.
//
// The region's address range must outlive everything that reaches the bytes through it:
// - the ArrayBuffer as an object. A zlib or fs job of the runtime keeps that object and a bare pointer, nothing else,
//   and detaching frees the backing store under it;
// - the backing store. A crypto job keeps that, and not the object;
// - whatever JavaScript has moved the backing store to (ArrayBuffer.prototype.transfer, a read of a byte stream). That
//   may belong to another thread by now, outlive this one, and have jobs of the first kind. Nothing tells of its end.
// So a range is lent until both the object and the backing store are gone, and kept for ever once a window was moved.
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
  // Whether JavaScript has moved its backing store away: it is detached, and not by us.
  bool isMoved() const noexcept;
  // Its views have length 0 from now on. Only of one that was not moved.
  void detach() noexcept;

 private:
  napi_value value() const noexcept;  // null when the call fails

  napi_env env_;
  napi_ref buffer_ = nullptr;  // strong, so that a moved one can be told from a collected one
};

}  // namespace pinfold::addon
