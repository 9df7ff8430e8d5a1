// Builds work requests from JavaScript's words (work_layout.h).
//
// Another thread may write the words while they are read. So each request is copied once, the copy is checked, and the
// request for libibverbs is built from the copy alone. Objects come from live handles, and memory from a registration
// and a checked range. Requests go to the device in chained batches. The memory of the batches belongs to the queue.
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

// Throws SystemError(`call`, EINVAL) when the words are too few for the requests, or the stride is shorter than a
// header.
void requireWords(const char* call, std::span<const std::uint32_t> words, std::size_t stride, std::size_t header,
                  std::size_t count);

// The limits of a send request.
struct SendLimits {
  ibv_qp_type type;
  std::uint32_t entries;
  std::uint32_t inlineBytes;
};

// One send request that was checked. `work` points to scatter entries of the batch.
struct SendRequest {
  ibv_send_wr work;
  // Set for a bind of a memory window of type 1, which is not a work request but a separate call.
  MemoryWindow* firstTypeWindow;
  MemoryWindow* window;
  Handle boundTo;
};

class SendBatch {
 public:
  SendBatch(ibv_qp_type type, const ibv_qp_cap& capacity);

  // Passes chains to ibv_post_send for `pair`, and memory windows of type 1 to ibv_bind_mw. Throws SystemError with
  // `posted` and `index`. It also contains `reason` (refusal.h) if libibverbs was not called.
  void post(const ObjectTable& objects, std::span<const std::uint32_t> words, std::size_t stride, std::size_t count,
            const FunctionTable& verbs, ibv_qp* pair);

 private:
  // The last registration that was looked up in a burst: most requests of a burst name the same.
  struct LastRegistration {
    Handle handle = 0;
    const Registration* registration = nullptr;
  };

  bool takePlain(const ObjectTable& objects, const std::uint32_t* given, SendRequest& request, ibv_sge& entry,
                 LastRegistration& last) const;
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
