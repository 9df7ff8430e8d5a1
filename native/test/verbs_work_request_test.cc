#include "verbs/work_request.h"

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "test/mapping_request.h"
#include "test/tap.h"
#include "verbs/address_handle.h"
#include "verbs/fault_injection.h"
#include "verbs/no_op_device.h"
#include "verbs/queue_pair.h"
#include "verbs/work_layout.h"

namespace pinfold::verbs {
namespace {

constexpr std::size_t kEntries = 2;
constexpr std::size_t kStride = kSendHeaderWords + kEntries * kEntryWords;
constexpr std::uint32_t kInline = 64;

// A queue pair of the given type that is ready to send, and registered memory, on the device that does nothing.
struct Bench {
  explicit Bench(ibv_qp_type type = IBV_QPT_RC, const std::function<void(FunctionTable&)>& change = {})
      : faults(std::make_shared<Faults>()),
        context(withFaults(changed(change), faults), "noop0", events, 1),
        user(memory::RegionTable::process().add(test::made(test::requestOf()), test::requestOf(), "")),
        domain(ProtectionDomain::allocate(context)),
        queue(CompletionQueue::create(context, {256, 0, 0, false, false})),
        pair(QueuePair::create(context,
                               {type, domain, queue, queue, 0, {128, 128, kEntries, kEntries, kInline}, false})),
        registration(Registration::ofRegion(context, domain, range(), std::nullopt, IBV_ACCESS_LOCAL_WRITE)) {
    ibv_qp_attr ready{};
    ready.qp_state = IBV_QPS_RTS;
    qp().modify(ready, IBV_QP_STATE);
  }

  FunctionTable changed(const std::function<void(FunctionTable&)>& change) const {
    FunctionTable table = device.functions();
    if (change) change(table);
    return table;
  }
  RegionRange range() { return regionRange("test", user.entry().id, 0, user.entry().size); }
  QueuePair& qp() { return context.objects().get<QueuePair>("test", pair); }
  std::size_t completions() {
    std::vector<std::uint32_t> into(256 * kCompletionWords);
    return context.objects().get<CompletionQueue>("test", queue).poll(into, 256);
  }

  NoOpDevice device;
  std::shared_ptr<Faults> faults;
  EventThread events{[] {}};
  Context context;
  memory::RegionUser user;
  Handle domain;
  Handle queue;
  Handle pair;
  Handle registration;
};

struct Words : std::vector<std::uint32_t> {
  explicit Words(const Bench& bench, std::size_t count = 1) : std::vector<std::uint32_t>(count * kStride) {
    for (std::size_t i = 0; i < count; ++i) {
      at(i, send_word::kId) = static_cast<std::uint32_t>(i);
      at(i, send_word::kOpcode) = IBV_WR_RDMA_WRITE;
      at(i, send_word::kFlags) = IBV_SEND_SIGNALED;
      at(i, send_word::kEntries) = 1;
      at(i, kSendHeaderWords + entry_word::kRegistration) = bench.registration;
      at(i, kSendHeaderWords + entry_word::kLength) = 8;
    }
  }
  std::uint32_t& at(std::size_t request, std::size_t word) { return (*this)[request * kStride + word]; }
};

struct Refused {
  int error = 0;
  double posted = -1;
  Refusal reason = Refusal::None;
};

// Posts the requests, and returns how they were refused; error 0 if they were not.
Refused refusalOf(Bench& bench, const Words& words) {
  try {
    bench.qp().postSend(words, kStride, words.size() / kStride);
  } catch (const os::SystemError& error) {
    Refused refused{.error = error.error()};
    for (const auto& [name, value] : error.values()) {
      if (name == "posted") refused.posted = value;
      if (name == "reason") refused.reason = static_cast<Refusal>(value);
    }
    return refused;
  }
  return {};
}

int post(Bench& bench, const Words& words) { return refusalOf(bench, words).error; }

TEST("a burst of more requests than a batch is posted whole") {
  Bench bench;
  CHECK_EQUAL(post(bench, Words(bench, 100)), 0);
  CHECK_EQUAL(bench.completions(), 100U);
  CHECK_EQUAL(bench.faults->calls()["ibv_post_send"], 4U);
}

TEST("a wrong request stops a burst: those before it are posted, and counted") {
  Bench bench;
  for (const std::size_t wrong : {std::size_t{0}, std::size_t{5}, std::size_t{31}, std::size_t{32}, std::size_t{70}}) {
    Words words(bench, 80);
    words.at(wrong, send_word::kOpcode) = 99;
    const Refused refused = refusalOf(bench, words);
    CHECK_EQUAL(refused.error, EINVAL);
    CHECK(refused.reason == Refusal::Operation);
    CHECK_EQUAL(refused.posted, static_cast<double>(wrong));
    CHECK_EQUAL(bench.completions(), wrong);
  }
}

TEST("what a request must not say is refused before libibverbs is called") {
  Bench bench;
  const std::size_t entry = kSendHeaderWords;
  const auto size = static_cast<std::uint32_t>(bench.user.entry().size);
  struct Wrong {
    std::size_t word;
    std::uint32_t value;
    Refusal reason;
  };
  for (const auto& [word, value, reason] : std::initializer_list<Wrong>{
           {send_word::kOpcode, IBV_WR_TSO, Refusal::Operation},
           {send_word::kOpcode, UINT32_MAX, Refusal::Operation},
           {send_word::kFlags, 1U << 4U, Refusal::Flags},
           {send_word::kEntries, kEntries + 1, Refusal::Entries},
           {send_word::kEntries, UINT32_MAX, Refusal::Entries},
           {entry + entry_word::kRegistration, 0, Refusal::EntryRegistration},
           {entry + entry_word::kRegistration, bench.domain, Refusal::EntryRegistration},
           {entry + entry_word::kRegistration, bench.registration + ObjectTable::kPlaces, Refusal::EntryRegistration},
           {entry + entry_word::kLength, size + 1, Refusal::EntryRange},
           {entry + entry_word::kLength, UINT32_MAX, Refusal::EntryRange},
           {entry + entry_word::kOffset, size - 7, Refusal::EntryRange},
           {entry + entry_word::kOffset, UINT32_MAX, Refusal::EntryRange},
           {entry + entry_word::kOffset + 1, 1, Refusal::EntryRange},
           {entry + entry_word::kOffset + 1, UINT32_MAX, Refusal::EntryRange},
       }) {
    Words words(bench);
    words.at(0, word) = value;
    const Refused refused = refusalOf(bench, words);
    CHECK_EQUAL(refused.error, EINVAL);
    CHECK(refused.reason == reason);
  }
  CHECK_EQUAL(bench.faults->calls()["ibv_post_send"], 0U);
}

TEST("words without room for the requests that are told of are refused") {
  Bench bench;
  const Words words(bench, 2);
  const auto refused = [&](std::size_t stride, std::size_t count) {
    try {
      bench.qp().postSend(words, stride, count);
    } catch (const os::SystemError& error) {
      return error.error() == EINVAL;
    }
    return false;
  };
  CHECK(refused(kStride, 3));
  CHECK(refused(kSendHeaderWords - 1, 1));
  CHECK(refused(0, 1));
  CHECK(refused(kStride, SIZE_MAX));
  CHECK(refused(SIZE_MAX, 2));
  CHECK(refused(kSendHeaderWords, 1));  // the stride has no room for the one entry
}

TEST("an inline request takes bytes where the processor may read them, and no more than there is room for") {
  Bench bench;
  Words words(bench);
  words.at(0, send_word::kFlags) |= IBV_SEND_INLINE;
  words.at(0, kSendHeaderWords + entry_word::kLength) = kInline;
  CHECK_EQUAL(post(bench, words), 0);
  words.at(0, kSendHeaderWords + entry_word::kLength) = kInline + 1;
  CHECK_EQUAL(post(bench, words), EINVAL);
  words.at(0, kSendHeaderWords + entry_word::kLength) = 8;
  words.at(0, send_word::kOpcode) = IBV_WR_RDMA_READ;
  CHECK_EQUAL(post(bench, words), EINVAL);
  words.at(0, send_word::kOpcode) = IBV_WR_RDMA_WRITE;
  const Handle nothing = Registration::ofNothing(bench.context, bench.domain);
  words.at(0, kSendHeaderWords + entry_word::kRegistration) = nothing;
  CHECK_EQUAL(post(bench, words), EINVAL);
  words.at(0, send_word::kFlags) = IBV_SEND_SIGNALED;
  CHECK_EQUAL(post(bench, words), 0);
}

TEST("an entry of no bytes is left out, and an implicit registration is no memory by itself") {
  std::vector<int> entries;
  Bench bench(IBV_QPT_RC, [&](FunctionTable& table) {
    table.postSend = [&](ibv_qp*, ibv_send_wr* request, ibv_send_wr**) {
      entries.push_back(request->num_sge);
      for (int i = 0; i < request->num_sge; ++i) entries.push_back(static_cast<int>(request->sg_list[i].length));
      return 0;
    };
    table.postRecv = [&](ibv_qp*, ibv_recv_wr* request, ibv_recv_wr**) {
      return entries.push_back(request->num_sge), 0;
    };
  });
  const Handle implicit = Registration::ofAll(bench.context, bench.domain, IBV_ACCESS_ON_DEMAND);
  const Handle covered = Registration::cover(bench.context, implicit, bench.range());
  Words words(bench);
  const std::size_t second = kSendHeaderWords + kEntryWords;
  words.at(0, send_word::kEntries) = 2;
  words.at(0, kSendHeaderWords + entry_word::kRegistration) = covered;
  words.at(0, kSendHeaderWords + entry_word::kLength) = 0;
  words.at(0, second + entry_word::kRegistration) = bench.registration;
  words.at(0, second + entry_word::kLength) = 8;
  CHECK_EQUAL(post(bench, words), 0);
  CHECK(entries == (std::vector<int>{1, 8}));
  words.at(0, kSendHeaderWords + entry_word::kRegistration) = implicit;
  CHECK_EQUAL(post(bench, words), EINVAL);
  std::vector<std::uint32_t> receive(kReceiveHeaderWords + kEntryWords);
  receive[receive_word::kEntries] = 1;
  receive[kReceiveHeaderWords + entry_word::kRegistration] = covered;
  bench.qp().postReceive(receive, receive.size(), 1);
  CHECK_EQUAL(entries.back(), 0);
}

TEST("an inline request of memory with a chosen address reads where the memory is") {
  Bench bench;
  const Handle chosen =
      Registration::ofRegion(bench.context, bench.domain, bench.range(), std::uint64_t{0x1000}, IBV_ACCESS_LOCAL_WRITE);
  Words words(bench);
  words.at(0, send_word::kFlags) |= IBV_SEND_INLINE;
  words.at(0, kSendHeaderWords + entry_word::kRegistration) = chosen;
  CHECK_EQUAL(post(bench, words), 0);  // the device that does nothing reads the bytes
}

TEST("a registration that is gone is refused, and its region goes with the last of them") {
  Bench bench;
  const Words words(bench);
  bench.context.objects().destroy<Registration>("test", bench.registration);
  CHECK_EQUAL(post(bench, words), EINVAL);
}

TEST("a datagram needs a live address handle, and datagrams can only be sent") {
  Bench bench(IBV_QPT_UD);
  Words words(bench);
  CHECK_EQUAL(post(bench, words), EINVAL);
  words.at(0, send_word::kOpcode) = IBV_WR_SEND;
  CHECK_EQUAL(post(bench, words), EINVAL);
  const Handle path = AddressHandle::create(bench.context, bench.domain, {});
  words.at(0, send_word::kAddressHandle) = path;
  CHECK_EQUAL(post(bench, words), 0);
  bench.context.objects().destroy<AddressHandle>("test", path);
  CHECK_EQUAL(post(bench, words), EINVAL);
}

TEST("a window is bound to memory that can be bound to, and one of type 1 closed only while it was bound") {
  Bench bench;
  for (const ibv_mw_type type : {IBV_MW_TYPE_1, IBV_MW_TYPE_2}) {
    const Handle window = MemoryWindow::allocate(bench.context, bench.domain, type);
    auto& made = bench.context.objects().get<MemoryWindow>("test", window);
    Words words(bench);
    words.at(0, send_word::kOpcode) = IBV_WR_BIND_MW;
    words.at(0, send_word::kEntries) = 0;
    words.at(0, send_word::kWindow) = window;
    words.at(0, send_word::kBindKey) = made.rkey() + 1;
    CHECK_EQUAL(post(bench, words), EINVAL);  // the length is 0, and the window was never bound
    words.at(0, send_word::kBindRegistration) = bench.registration;
    words.at(0, send_word::kBindLength) = 8;
    const std::uint32_t before = made.rkey();
    CHECK_EQUAL(post(bench, words), 0);
    CHECK_EQUAL(made.rkey(), before + 1);
    words.at(0, send_word::kBindOffset + 1) = 1;
    CHECK_EQUAL(post(bench, words), EINVAL);
    words.at(0, send_word::kBindOffset + 1) = 0;
    words.at(0, send_word::kBindRegistration) = Registration::ofNothing(bench.context, bench.domain);
    CHECK_EQUAL(post(bench, words), EINVAL);
    words.at(0, send_word::kBindLength) = 0;
    CHECK_EQUAL(post(bench, words), type == IBV_MW_TYPE_1 ? 0 : EINVAL);
    words.at(0, send_word::kWindow) = window + ObjectTable::kPlaces;
    CHECK_EQUAL(post(bench, words), EINVAL);
  }
}

TEST("what libibverbs refuses half-way is told with how many it took") {
  Bench bench;
  bench.faults->inject("ibv_post_send", 2, ENOMEM);
  const Refused refused = refusalOf(bench, Words(bench, 80));
  CHECK_EQUAL(refused.error, ENOMEM);
  CHECK(refused.reason == Refusal::None);
  CHECK_EQUAL(refused.posted, static_cast<double>(kBatch));
}

TEST("receives are checked as sends are") {
  Bench bench;
  constexpr std::size_t kReceive = kReceiveHeaderWords + kEntries * kEntryWords;
  std::vector<std::uint32_t> words(kReceive);
  words[receive_word::kEntries] = 1;
  words[kReceiveHeaderWords] = bench.registration;
  words[kReceiveHeaderWords + entry_word::kLength] = 8;
  bench.qp().postReceive(words, kReceive, 1);
  for (const auto& [word, value] : std::initializer_list<std::pair<std::size_t, std::uint32_t>>{
           {receive_word::kEntries, kEntries + 1},
           {kReceiveHeaderWords, bench.queue},
           {kReceiveHeaderWords + entry_word::kLength, UINT32_MAX},
       }) {
    std::vector<std::uint32_t> wrong = words;
    wrong[word] = value;
    bool isRefused = false;
    try {
      bench.qp().postReceive(wrong, kReceive, 1);
    } catch (const os::SystemError& error) {
      isRefused = error.error() == EINVAL;
    }
    CHECK(isRefused);
  }
}

}  // namespace
}  // namespace pinfold::verbs

TAP_MAIN()
