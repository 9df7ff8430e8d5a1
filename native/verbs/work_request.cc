#include "verbs/work_request.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>

#include "verbs/address_handle.h"
#include "verbs/memory_window.h"
#include "verbs/work_layout.h"

namespace pinfold::verbs {
namespace {

using Words = std::span<const std::uint32_t>;

constexpr unsigned kKnownFlags = IBV_SEND_FENCE | IBV_SEND_SIGNALED | IBV_SEND_SOLICITED | IBV_SEND_INLINE;
// The rights that a memory window can give.
constexpr unsigned kWindowAccess =
    IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC | IBV_ACCESS_ZERO_BASED;

std::uint64_t wide(Words words, std::size_t at) { return words[at] | (std::uint64_t{words[at + 1]} << 32U); }

[[noreturn]] void refuse(const char* call, int error, std::size_t posted) {
  const auto number = static_cast<double>(posted);
  throw os::SystemError(call, error, {{"posted", number}, {"index", number}});
}

[[noreturn]] void refuse(const char* call, Refusal reason, std::size_t posted) {
  const auto number = static_cast<double>(posted);
  throw os::SystemError(call, EINVAL, {{"posted", number}, {"index", number}, {"reason", static_cast<double>(reason)}});
}

// True if a queue pair of this type supports the operation. Providers read other fields of the request for each type.
bool suits(ibv_qp_type type, std::uint32_t opcode) {
  if (type == IBV_QPT_UD) return opcode == IBV_WR_SEND || opcode == IBV_WR_SEND_WITH_IMM;
  if (type == IBV_QPT_UC) {
    return opcode != IBV_WR_RDMA_READ && opcode != IBV_WR_ATOMIC_CMP_AND_SWP && opcode != IBV_WR_ATOMIC_FETCH_AND_ADD &&
           opcode <= IBV_WR_SEND_WITH_INV;
  }
  return opcode <= IBV_WR_SEND_WITH_INV;
}

bool canInline(std::uint32_t opcode) { return opcode <= IBV_WR_SEND_WITH_IMM || opcode == IBV_WR_SEND_WITH_INV; }

// Reads the scatter entries of a copied request, from word `at` on. Their number was checked before. Entries of length
// 0 are left out of `into`: some devices take length 0 for 2 GiB, and the key of an implicit registration would allow
// this.
Refusal understandEntries(const ObjectTable& objects, Words copy, std::size_t at, bool inlined,
                          std::span<ibv_sge>& into) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < into.size(); ++i) {
    const Words words = copy.subspan(at, kEntryWords);
    const auto* const registration = objects.find<Registration>(words[entry_word::kRegistration]);
    if (registration == nullptr) return Refusal::EntryRegistration;
    const std::uint64_t offset = wide(words, entry_word::kOffset);
    const Refusal refusal = registration->entry(offset, words[entry_word::kLength], inlined, into[count]);
    if (refusal != Refusal::None) return refusal;
    if (into[count].length > 0) ++count;
    at += kEntryWords;
  }
  into = into.first(count);
  return Refusal::None;
}

Refusal understandBind(const ObjectTable& objects, Words copy, SendRequest& request) {
  auto* const window = objects.find<MemoryWindow>(copy[send_word::kWindow]);
  if (window == nullptr) return Refusal::BindWindow;
  const std::uint64_t offset = wide(copy, send_word::kBindOffset);
  const std::uint64_t length = wide(copy, send_word::kBindLength);
  const bool isFirstType = window->type() == IBV_MW_TYPE_1;
  const bool closes = isFirstType && length == 0;
  // Providers read the registration also when a memory window is closed. It is the registration of the last bind.
  const Handle handle = closes ? window->bound() : copy[send_word::kBindRegistration];
  const auto* const registration = objects.find<Registration>(handle);
  if (registration == nullptr) return Refusal::BindRegistration;
  if (length == 0 && !closes) return Refusal::BindBytes;
  ibv_mr* const bound = registration->bindable(closes ? 0 : offset, length);
  if (bound == nullptr) return Refusal::BindRange;
  request.window = window;
  request.boundTo = handle;
  if (isFirstType) request.firstTypeWindow = window;
  auto& bind = request.work.bind_mw;
  bind.mw = window->get();
  bind.rkey = copy[send_word::kBindKey];
  bind.bind_info = {bound, closes ? 0 : registration->address() + offset, length,
                    copy[send_word::kBindAccess] & kWindowAccess};
  return Refusal::None;
}

}  // namespace

void requireWords(const char* call, Words words, std::size_t stride, std::size_t header, std::size_t count) {
  if (stride >= header && (count == 0 || words.size() / stride >= count)) return;
  throw os::SystemError(call, EINVAL, {{"posted", 0}, {"index", 0}, {"stride", static_cast<double>(stride)}});
}

SendBatch::SendBatch(ibv_qp_type type, const ibv_qp_cap& capacity)
    : limits_{type, capacity.max_send_sge, capacity.max_inline_data},
      copy_(kSendHeaderWords + kEntryWords * capacity.max_send_sge),
      entries_(kBatch * std::max<std::size_t>(1, capacity.max_send_sge)) {}

Refusal SendBatch::understand(const ObjectTable& objects, SendRequest& request, std::span<ibv_sge> entries) const {
  const Words copy(copy_);
  const std::uint32_t opcode = copy[send_word::kOpcode];
  const std::uint32_t flags = copy[send_word::kFlags];
  if (!suits(limits_.type, opcode)) return Refusal::Operation;
  if ((flags & ~kKnownFlags) != 0) return Refusal::Flags;
  const bool inlined = (flags & IBV_SEND_INLINE) != 0;
  if (inlined && !canInline(opcode)) return Refusal::InlineOperation;
  ibv_send_wr& work = request.work;
  work.wr_id = wide(copy, send_word::kId);
  work.opcode = static_cast<ibv_wr_opcode>(opcode);
  work.send_flags = flags;
  const Refusal refusal = understandEntries(objects, copy, kSendHeaderWords, inlined, entries);
  if (refusal != Refusal::None) return refusal;
  std::uint64_t bytes = 0;
  for (const ibv_sge& entry : entries) bytes += entry.length;
  // The processor copies inline bytes while the request is posted, into a buffer of this size.
  if (inlined && bytes > limits_.inlineBytes) return Refusal::InlineBytes;
  work.sg_list = entries.data();
  work.num_sge = static_cast<int>(entries.size());
  if (opcode == IBV_WR_SEND_WITH_IMM || opcode == IBV_WR_RDMA_WRITE_WITH_IMM) {
    work.imm_data = htonl(copy[send_word::kImmediate]);
  } else if (opcode == IBV_WR_LOCAL_INV || opcode == IBV_WR_SEND_WITH_INV) {
    work.invalidate_rkey = copy[send_word::kImmediate];
  }
  if (opcode == IBV_WR_BIND_MW) return understandBind(objects, copy, request);
  if (limits_.type == IBV_QPT_UD) {
    const auto* const handle = objects.find<AddressHandle>(copy[send_word::kAddressHandle]);
    if (handle == nullptr) return Refusal::AddressHandle;
    work.wr.ud = {handle->get(), copy[send_word::kRemoteQueuePair], copy[send_word::kRemoteKey]};
  } else if (opcode == IBV_WR_ATOMIC_CMP_AND_SWP || opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
    if (bytes < sizeof(std::uint64_t)) return Refusal::AtomicBytes;
    work.wr.atomic = {wide(copy, send_word::kRemoteAddress), wide(copy, send_word::kCompareAdd),
                      wide(copy, send_word::kSwap), copy[send_word::kRkey]};
  } else {
    work.wr.rdma = {wide(copy, send_word::kRemoteAddress), copy[send_word::kRkey]};
  }
  return Refusal::None;
}

// The fast path of the most common requests: one entry that is not inline, and no other object. It reads each word
// once, writes only the fields that these operations use, and checks what the general path checks. Returns false for
// every other request, and for one that must be refused: the general path finds its reason.
bool SendBatch::takePlain(const ObjectTable& objects, const std::uint32_t* given, SendRequest& request, ibv_sge& entry,
                          LastRegistration& last) const {
  const auto word = [given](std::size_t at) { return __atomic_load_n(given + at, __ATOMIC_RELAXED); };
  const std::uint32_t opcode = word(send_word::kOpcode);
  const std::uint32_t flags = word(send_word::kFlags);
  const bool isPlain = opcode == IBV_WR_RDMA_WRITE || opcode == IBV_WR_SEND ||
                       (opcode == IBV_WR_RDMA_READ && limits_.type == IBV_QPT_RC);
  if (!isPlain || (flags & ~(kKnownFlags & ~unsigned{IBV_SEND_INLINE})) != 0) return false;
  if (word(send_word::kEntries) != 1) return false;
  const Handle handle = word(kSendHeaderWords + entry_word::kRegistration);
  if (handle != last.handle) last = {handle, objects.find<Registration>(handle)};
  if (last.registration == nullptr) return false;
  const std::uint64_t offset = word(kSendHeaderWords + entry_word::kOffset) |
                               (std::uint64_t{word(kSendHeaderWords + entry_word::kOffset + 1)} << 32U);
  const std::uint32_t length = word(kSendHeaderWords + entry_word::kLength);
  if (length == 0 || last.registration->entry(offset, length, false, entry) != Refusal::None) return false;
  ibv_send_wr& work = request.work;
  work.wr_id = word(send_word::kId) | (std::uint64_t{word(send_word::kId + 1)} << 32U);
  work.sg_list = &entry;
  work.num_sge = 1;
  work.opcode = static_cast<ibv_wr_opcode>(opcode);
  work.send_flags = flags;
  work.wr.rdma = {
      word(send_word::kRemoteAddress) | (std::uint64_t{word(send_word::kRemoteAddress + 1)} << 32U),
      word(send_word::kRkey),
  };
  request.window = nullptr;
  request.firstTypeWindow = nullptr;
  return true;
}

void SendBatch::post(const ObjectTable& objects, Words words, std::size_t stride, std::size_t count,
                     const FunctionTable& verbs, ibv_qp* pair) {
  constexpr const char* kCall = "ibv_post_send";
  requireWords(kCall, words, stride, kSendHeaderWords, count);
  const std::size_t copied = std::min(stride, copy_.size());
  const bool mayBePlain = limits_.type != IBV_QPT_UD && limits_.entries > 0 && copied >= kSendHeaderWords + kEntryWords;
  LastRegistration last;
  std::size_t posted = 0;
  std::size_t staged = 0;
  const auto flush = [&] {
    if (staged == 0) return;
    for (std::size_t i = 0; i + 1 < staged; ++i) requests_.at(i).work.next = &requests_.at(i + 1).work;
    requests_.at(staged - 1).work.next = nullptr;
    ibv_send_wr* bad = nullptr;
    const int error = verbs.postSend(pair, &requests_.front().work, &bad);
    std::size_t taken = error == 0 ? staged : 0;
    for (std::size_t i = 0; error != 0 && i < staged; ++i) {
      if (&requests_.at(i).work == bad) taken = i;
    }
    for (std::size_t i = 0; i < taken; ++i) {
      const SendRequest& request = requests_.at(i);
      if (request.window == nullptr) continue;
      request.window->bindTo(request.boundTo);
      request.window->takeKey(request.work.bind_mw.rkey);
    }
    posted += taken;
    staged = 0;
    if (error != 0) refuse(kCall, error, posted);
  };
  for (std::size_t index = 0; index < count; ++index) {
    const std::uint32_t* const given = words.data() + index * stride;
    SendRequest& request = requests_.at(staged);
    if (mayBePlain && takePlain(objects, given, request, entries_[staged * limits_.entries], last)) {
      if (++staged == kBatch) flush();
      continue;
    }
    std::copy_n(given, copied, copy_.begin());
    const std::size_t entries = copy_[send_word::kEntries];
    const bool fits = entries <= limits_.entries && kSendHeaderWords + entries * kEntryWords <= copied;
    request = {};
    const Refusal refusal =
        fits ? understand(objects, request, {entries_.data() + staged * limits_.entries, entries}) : Refusal::Entries;
    if (refusal != Refusal::None) {
      flush();
      refuse(kCall, refusal, posted);
    }
    if (request.firstTypeWindow == nullptr) {
      // A bind ends its batch, since the next bind of the same memory window starts from the key that this bind sets.
      if (++staged == kBatch || request.window != nullptr) flush();
      continue;
    }
    ibv_mw_bind binding{request.work.wr_id, request.work.send_flags, request.work.bind_mw.bind_info};
    const SendRequest bound = request;
    flush();
    const int error = verbs.bindMw(pair, bound.firstTypeWindow->get(), &binding);
    if (error != 0) refuse("ibv_bind_mw", error, posted);
    bound.window->bindTo(bound.boundTo);
    ++posted;
  }
  flush();
}

ReceiveBatch::ReceiveBatch(std::uint32_t entries)
    : most_(entries),
      copy_(kReceiveHeaderWords + kEntryWords * std::size_t{entries}),
      entries_(kBatch * std::max<std::size_t>(1, entries)) {}

Refusal ReceiveBatch::understand(const ObjectTable& objects, ibv_recv_wr& request, std::span<ibv_sge> entries) const {
  const Words copy(copy_);
  request.wr_id = wide(copy, receive_word::kId);
  const Refusal refusal = understandEntries(objects, copy, kReceiveHeaderWords, false, entries);
  request.sg_list = entries.data();
  request.num_sge = static_cast<int>(entries.size());
  return refusal;
}

void ReceiveBatch::post(const char* call, const ObjectTable& objects, Words words, std::size_t stride,
                        std::size_t count, const std::function<int(ibv_recv_wr*, ibv_recv_wr**)>& post) {
  requireWords(call, words, stride, kReceiveHeaderWords, count);
  const std::size_t copied = std::min(stride, copy_.size());
  std::size_t posted = 0;
  std::size_t staged = 0;
  const auto flush = [&] {
    if (staged == 0) return;
    for (std::size_t i = 0; i + 1 < staged; ++i) requests_.at(i).next = &requests_.at(i + 1);
    ibv_recv_wr* bad = nullptr;
    const int error = post(&requests_.front(), &bad);
    std::size_t taken = error == 0 ? staged : 0;
    for (std::size_t i = 0; error != 0 && i < staged; ++i) {
      if (&requests_.at(i) == bad) taken = i;
    }
    posted += taken;
    staged = 0;
    if (error != 0) refuse(call, error, posted);
  };
  for (std::size_t index = 0; index < count; ++index) {
    std::copy_n(words.data() + index * stride, copied, copy_.begin());
    const std::size_t entries = copy_[receive_word::kEntries];
    const bool fits = entries <= most_ && kReceiveHeaderWords + entries * kEntryWords <= copied;
    ibv_recv_wr& request = requests_.at(staged);
    request = {};
    const Refusal refusal =
        fits ? understand(objects, request, {entries_.data() + staged * most_, entries}) : Refusal::Entries;
    if (refusal != Refusal::None) {
      flush();
      refuse(call, refusal, posted);
    }
    if (++staged == kBatch) flush();
  }
  flush();
}

}  // namespace pinfold::verbs
