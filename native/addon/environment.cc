#include "addon/environment.h"

#include "addon/allocate_job.h"
#include "addon/boundary.h"

namespace pinfold::addon {
namespace {

// Views of a detached buffer have length 0. A buffer that JavaScript moved away is detached already, and its memory's
// new owner reads zeros once the region is closed.
void detach(napi_env env, napi_ref window) {
  if (window == nullptr) return;
  const Napi::HandleScope scope(env);
  napi_value buffer = nullptr;
  if (napi_get_reference_value(env, window, &buffer) == napi_ok && buffer != nullptr) {
    (void)napi_detach_arraybuffer(env, buffer);  // fails only for what cannot be detached; then it reads zeros, too
  }
  (void)napi_delete_reference(env, window);
}

}  // namespace

// Node detaches and finalizes the buffers of a thread that ends by itself.
Environment::~Environment() {
  for (const auto& [number, attachment] : attachments_) {
    for (napi_ref window : attachment.windows) {
      if (window != nullptr) (void)napi_delete_reference(env_, window);
    }
  }
}

Napi::Value Environment::adopt(memory::RegionUser&& user) {
  const std::uint64_t number = nextNumber_++;
  const memory::RegionEntry& entry = user.entry();
  Napi::Object described = Napi::Object::New(env_);
  if (described.IsEmpty()) throw CallFailed();  // the thread is ending; `user` leaves
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

bool Environment::giveUp(std::uint64_t number) {
  auto node = attachments_.extract(number);
  if (node.empty()) return false;
  for (napi_ref window : node.mapped().windows) detach(env_, window);
  return true;  // the user leaves with `node`
}

std::uint64_t Environment::announce(AllocateJob& job) {
  const std::uint64_t ticket = nextNumber_++;
  jobs_.emplace(ticket, &job);
  return ticket;
}

void Environment::cancel(std::uint64_t ticket) {
  const auto found = jobs_.find(ticket);
  if (found != jobs_.end()) found->second->cancel();
}

}  // namespace pinfold::addon
