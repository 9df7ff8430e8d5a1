#include "addon/environment.h"

#include <algorithm>

#include "addon/boundary.h"
#include "addon/job.h"
#include "addon/verbs_environment.h"

namespace pinfold::addon {
namespace {

// Keeps the address range if JavaScript has moved a window: the window may have gone to a thread that outlives this
// one.
void keepIfMoved(Attachment& attachment) noexcept {
  const bool moved =
      std::ranges::any_of(attachment.windows, [](const auto& window) { return window && window->isMoved(); });
  if (moved) attachment.user.keepRange();
}

}  // namespace

Environment::Environment(napi_env env) : env_(env), verbs_(std::make_unique<VerbsEnvironment>(env)) {}

Environment::~Environment() { endWatch(); }

Napi::Value Environment::adopt(memory::RegionUser&& user) {
  const std::uint64_t number = nextNumber_++;
  const memory::RegionEntry& entry = user.entry();
  Napi::Object described = Napi::Object::New(env_);
  if (described.IsEmpty()) throw CallFailed();  // the thread is ending; the destructor of `user` leaves the region
  (void)described.Set("attachment", static_cast<double>(number));
  (void)described.Set("region", static_cast<double>(entry.id));
  (void)described.Set("address", static_cast<double>(reinterpret_cast<std::uintptr_t>(entry.begin)));
  (void)described.Set("size", static_cast<double>(entry.size));
  (void)described.Set("pageSize", static_cast<double>(entry.pageSize));
  (void)described.Set("name", entry.name);
  (void)described.Set("description", entry.description);
  attachments_.emplace(number, Attachment{std::move(user), {}});
  return described;
}

Attachment& Environment::attachment(std::uint64_t number) {
  const auto found = attachments_.find(number);
  if (found == attachments_.end()) throw ArgumentError("no such attachment");
  return found->second;
}

Napi::Value Environment::window(Attachment& attachment, std::size_t index, std::size_t offset, std::size_t length) {
  if (attachment.windows.size() <= index) attachment.windows.resize(index + 1);
  std::optional<Window>& window = attachment.windows[index];
  if (window && !window->isMoved()) return window->buffer();
  keepIfMoved(attachment);
  Window made(env_, attachment.user, offset, length);
  watchEnd();  // throws when the thread is ending; JavaScript then never sees the window
  window = std::move(made);
  return window->buffer();
}

// When a thread ends, Node detaches its external buffers before it runs any cleanup hook. After that, a moved window
// looks like the others. Node begins with the newest buffer. So the newest buffer is a sentinel, whose finalizer tells
// that the thread is ending. (If a Node version began with another buffer, windows would count as moved. This would
// cost only their address ranges.)
void Environment::watchEnd() {
  static std::byte byte{};
  const auto finalize = [](napi_env, void*, void* hint) {
    const std::unique_ptr<Sentinel> sentinel(static_cast<Sentinel*>(hint));
    Environment* const environment = sentinel->environment;
    if (environment == nullptr) return;
    environment->sentinel_ = nullptr;
    environment->keepMoved();
  };
  auto made = std::make_unique<Sentinel>();
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(env_, &byte, 1, finalize, made.get(), &buffer);
  // After a failed call, the finalizer may run or may not (window.cc). So the few bytes of the sentinel are not freed
  // here.
  Sentinel* const sentinel = made.release();
  require(status);
  napi_ref reference = nullptr;
  require(napi_create_reference(env_, buffer, 1, &reference));
  endWatch();
  sentinelBuffer_ = reference;
  sentinel_ = sentinel;
  sentinel_->environment = this;
}

void Environment::endWatch() noexcept {
  if (Sentinel* const old = std::exchange(sentinel_, nullptr)) old->environment = nullptr;
  if (sentinelBuffer_ != nullptr) (void)napi_delete_reference(env_, std::exchange(sentinelBuffer_, nullptr));
}

void Environment::keepMoved() noexcept {
  for (auto& [number, attachment] : attachments_) keepIfMoved(attachment);
}

// Takes the attachment out of the list, and detaches its windows.
std::optional<Attachment> Environment::detached(std::uint64_t number) {
  auto node = attachments_.extract(number);
  if (node.empty()) return std::nullopt;
  Attachment& attachment = node.mapped();
  keepIfMoved(attachment);
  for (std::optional<Window>& window : attachment.windows) {
    if (window) window->detach();
  }
  return std::move(attachment);
}

bool Environment::giveUp(std::uint64_t number) { return detached(number).has_value(); }

void Environment::leave(std::uint64_t number) {
  std::optional<Attachment> attachment = detached(number);
  std::optional<memory::Unmapping> last = attachment ? attachment->user.leave() : std::nullopt;
  if (last) unmappings_.push_back(std::move(*last));
}

memory::Shadow& Environment::openShadow(const Napi::Value& view, std::span<std::byte> bytes) {
  if (shadow_) throw ArgumentError("the thread has a shadow");
  require(napi_create_reference(env_, view, 1, &shadowBytes_));
  return shadow_.emplace(bytes.data(), bytes.size());
}

memory::Shadow& Environment::shadow() {
  if (!shadow_) throw ArgumentError("the thread has no shadow");
  return *shadow_;
}

std::uint64_t Environment::announce(Job& job) {
  const std::uint64_t ticket = nextNumber_++;
  jobs_.emplace(ticket, &job);
  return ticket;
}

void Environment::cancel(std::uint64_t ticket) {
  const auto found = jobs_.find(ticket);
  if (found != jobs_.end()) found->second->cancel();
}

}  // namespace pinfold::addon
