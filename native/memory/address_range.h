// An AddressRange owns a stretch of this process's address space, from the moment the kernel gives it until munmap,
// whatever is mapped there meanwhile.
//
// munmap can fail: giving back the middle of a merged mapping splits it, and a process has at most vm.max_map_count
// mappings. A range that cannot be given back now is remembered, joined with its neighbours as those go, and tried
// again as later ones go, so that it is never lost and never given out twice.
#pragma once

#include <cstddef>
#include <utility>

namespace pinfold::memory {

class AddressRange {
 public:
  AddressRange() noexcept = default;
  // Takes over what is mapped there.
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

  // Splits `size` bytes off, which the returned range then owns.
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
  // Owns no more what it was given; whoever calls this does.
  void disown() noexcept {
    begin_ = nullptr;
    size_ = 0;
  }

  // Ranges that the kernel would not take back yet.
  static std::size_t pendingCount() noexcept;

 private:
  std::byte* begin_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace pinfold::memory
