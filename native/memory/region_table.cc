#include "memory/region_table.h"

#include "memory/process_wide.h"

namespace pinfold::memory {

RegionEntry::RegionEntry(std::uint64_t number, Mapping&& pages, const MappingRequest& request, std::string text)
    : id(number),
      name(request.name),
      description(std::move(text)),
      pageSize(request.page.bytes),
      begin(pages.begin()),
      size(pages.size()),
      mapping_(std::make_unique<Mapping>(std::move(pages))) {}

Unmapping::~Unmapping() {
  if (retiring_) RegionTable::process().retire(*retiring_);
}

RegionUser::~RegionUser() {
  if (entry_) (void)leave();
}

std::optional<Unmapping> RegionUser::leave() noexcept { return RegionTable::process().leave(std::move(entry_)); }

AddressRange RegionUser::mapAgain(std::size_t offset, std::size_t length) const {
  return entry_->mapping_->mapAgain(offset, length);  // constant while there is a user
}

void RegionUser::keepRange() noexcept { RegionTable::process().keepRange(*entry_); }

void RegionUser::remain() noexcept { RegionTable::process().remain(std::move(entry_)); }

LentBuffer::LentBuffer(const RegionUser& user) : entry_(user.entry_) { RegionTable::process().lend(*entry_); }

LentBuffer::~LentBuffer() {
  if (entry_) RegionTable::process().takeBack(*entry_);
}

RegionTable& RegionTable::process() { return processWide<RegionTable>(); }

RegionUser RegionTable::add(Mapping&& mapping, const MappingRequest& request, std::string description) {
  const std::scoped_lock lock(mutex_);
  const std::uint64_t id = nextId_++;
  auto entry = std::make_shared<RegionEntry>(id, std::move(mapping), request, std::move(description));
  live_.emplace(id, entry);
  entry->users_ = 1;
  return RegionUser(std::move(entry));
}

std::optional<RegionUser> RegionTable::attach(std::uint64_t id) {
  const std::scoped_lock lock(mutex_);
  const auto found = live_.find(id);
  if (found == live_.end()) return std::nullopt;
  std::shared_ptr<RegionEntry> entry = found->second.lock();
  if (!entry) return std::nullopt;
  ++entry->users_;
  return RegionUser(std::move(entry));
}

RegionTable::Counts RegionTable::counts() const {
  const std::scoped_lock lock(mutex_);
  return {live_.size(), closed_, buffers_};
}

void RegionTable::lend(RegionEntry& entry) {
  const std::scoped_lock lock(mutex_);
  ++entry.buffers_;
  ++buffers_;
}

// Releasing gigabytes of small pages takes the kernel long, so it happens outside of the lock, and perhaps later. Once
// the entry is erased from `live_`, only the Unmapping and late buffers can reach it. `retiring_` prevents a late
// buffer from releasing the mapping before it was retired.
std::optional<Unmapping> RegionTable::leave(std::shared_ptr<RegionEntry>&& entry) noexcept {
  const std::shared_ptr<RegionEntry> left = std::move(entry);
  const std::scoped_lock lock(mutex_);
  if (--left->users_ > 0) return std::nullopt;
  live_.erase(left->id);
  if (left->buffers_ == 0 && !left->isKept_) return Unmapping(nullptr, std::move(left->mapping_));
  left->retiring_ = true;
  ++closed_;
  return Unmapping(left, nullptr);
}

void RegionTable::retire(RegionEntry& entry) noexcept {
  entry.mapping_->retire();
  std::unique_ptr<Mapping> released;
  {
    const std::scoped_lock lock(mutex_);
    entry.retiring_ = false;
    if (entry.isKept_) {
      entry.mapping_->disownRange();
    } else if (entry.buffers_ > 0) {
      return;
    } else {
      --closed_;
    }
    released = std::move(entry.mapping_);
  }
}

void RegionTable::keepRange(RegionEntry& entry) noexcept {
  const std::scoped_lock lock(mutex_);
  entry.isKept_ = true;
}

void RegionTable::remain(std::shared_ptr<RegionEntry>&& entry) noexcept {
  const std::scoped_lock lock(mutex_);
  RegionEntry& kept = *entry;
  kept.itself_ = std::move(entry);
}

void RegionTable::takeBack(RegionEntry& entry) noexcept {
  std::unique_ptr<Mapping> released;
  {
    const std::scoped_lock lock(mutex_);
    --buffers_;
    if (--entry.buffers_ > 0 || entry.users_ > 0 || entry.retiring_ || entry.isKept_) return;
    --closed_;
    released = std::move(entry.mapping_);
  }
}

}  // namespace pinfold::memory
