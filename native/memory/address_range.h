// An AddressRange owns a range of this process's address space, from mmap until munmap. The mappings inside of the
// range may change meanwhile.
//
// munmap can fail: unmapping the middle of a merged mapping splits it, and vm.max_map_count limits the mappings of a
// process. A range that cannot be unmapped yet is recorded. It is joined with neighbours that cannot be unmapped
// either, and is tried again when a later range is released. So a range is never lost and never gets a second owner.
#pragma once

#include <cstddef>
#include <utility>

namespace pinfold::memory {

class AddressRange {
 public:
  AddressRange() noexcept = default;
  // Takes over the mappings that exist in the range.
  AddressRange(std::byte* begin, std::size_t size) noexcept : begin_(begin), size_(size) {}
  AddressRange(AddressRange&& other) noexcept
      : begin_(std::exchange(other.begin_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AddressRange& operator=(AddressRange&& other) noexcept {
    if (this != &other) {
      release();
      begin_ = std::exchange(other.begin_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  AddressRange(const AddressRange&) = delete;
  AddressRange& operator=(const AddressRange&) = delete;
  ~AddressRange() { release(); }

  std::byte* begin() const noexcept { return begin_; }
  std::size_t size() const noexcept { return size_; }

  void release() noexcept;

  // Splits off `size` bytes. The returned range owns them.
  AddressRange takeFront(std::size_t size) noexcept {
    AddressRange front(begin_, size);
    begin_ += size;
    size_ -= size;
    return front;
  }
  AddressRange takeBack(std::size_t size) noexcept {
    size_ -= size;
    return {begin_ + size_, size};
  }
  // Gives up the range without unmapping it. The caller owns it from now on.
  void disown() noexcept {
    begin_ = nullptr;
    size_ = 0;
  }

  // The number of ranges that munmap could not release yet, after joining neighbours.
  static std::size_t pendingCount() noexcept;

 private:
  std::byte* begin_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace pinfold::memory
