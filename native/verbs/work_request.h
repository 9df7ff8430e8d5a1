// Work requests out of JavaScript's words (work_layout.h).
//
// Another thread may write the words while they are read. So each request is copied once, the copy is checked, and what
// libibverbs is given is made of the copy alone: objects by live handle, memory by registration and checked range.
// Requests go to the device in batches that are chained; the room for them is kept with the queue.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "verbs/memory_window.h"
#include "verbs/object_table.h"
#include "verbs/refusal.h"
#include "verbs/registration.h"

namespace pinfold::verbs {

constexpr std::size_t kBatch = 32;

// Throws SystemError(`call`, EINVAL) when the words have no room for the requests.
void requireWords(const char* call, std::span<const std::uint32_t> words, std::size_t stride, std::size_t header,
                  std::size_t count);

// What a request must keep to.
struct SendLimits {
  ibv_qp_type type;
  std::uint32_t entries;
  std::uint32_t inlineBytes;
};

// One send request that was understood. `work` names scatter entries in the batch's own room.
struct SendRequest {
  ibv_send_wr work;
  // Of a bind to a window of type 1, which is no work request but a call of its own.
  MemoryWindow* firstTypeWindow;
  MemoryWindow* window;
  Handle boundTo;
};

class SendBatch {
 public:
  SendBatch(ibv_qp_type type, const ibv_qp_cap& capacity);

  // Hands chains to `post`, which returns an error number and the request that it did not take, and windows of type 1
  // to `bind`. Throws SystemError with posted and index, and with
  // the reason (refusal.h) where libibverbs was not asked.
  void post(const ObjectTable& objects, std::span<const std::uint32_t> words, std::size_t stride, std::size_t count,
            const std::function<int(ibv_send_wr*, ibv_send_wr**)>& post,
            const std::function<int(ibv_mw*, ibv_mw_bind*)>& bind);

 private:
  Refusal understand(const ObjectTable& objects, SendRequest& request, std::span<ibv_sge> entries) const;

  const SendLimits limits_;
  std::vector<std::uint32_t> copy_;
  std::vector<ibv_sge> entries_;
  std::array<SendRequest, kBatch> requests_{};
};

class ReceiveBatch {
 public:
  explicit ReceiveBatch(std::uint32_t entries);

  void post(const char* call, const ObjectTable& objects, std::span<const std::uint32_t> words, std::size_t stride,
            std::size_t count, const std::function<int(ibv_recv_wr*, ibv_recv_wr**)>& post);

 private:
  Refusal understand(const ObjectTable& objects, ibv_recv_wr& request, std::span<ibv_sge> entries) const;

  const std::uint32_t most_;
  std::vector<std::uint32_t> copy_;
  std::vector<ibv_sge> entries_;
  std::array<ibv_recv_wr, kBatch> requests_{};
};

}  // namespace pinfold::verbs
