#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "test/tap.h"
#include "verbs/completion_queue.h"
#include "verbs/no_op_device.h"
#include "verbs/queue_pair.h"
#include "verbs/shared_receive_queue.h"
#include "verbs/work_layout.h"

namespace pinfold::verbs {
namespace {

// A device whose library behaves like that of Soft-RoCE when mmap(2) fails: the kernel has already changed the size of
// the queue.
struct Bench {
  Bench() : context(std::make_shared<const FunctionTable>(table()), "noop0", events, 1) {}

  FunctionTable table() {
    FunctionTable table = device.functions();
    table.resizeCq = [this](ibv_cq* queue, int entries) {
      if (refusal == 0 || isChanged) queue->cqe = entries;
      return refusal;
    };
    table.modifyCq = [this](ibv_cq*, ibv_modify_cq_attr* attributes) {
      moderation = attributes->moderate;
      return attributes->attr_mask == IBV_CQ_ATTR_MODERATE ? refusal : EINVAL;
    };
    table.modifySrq = [this](ibv_srq*, ibv_srq_attr*, int) { return refusal; };
    table.queryDevice = [this](ibv_context*, ibv_device_attr_ex* attributes) {
      *attributes = {};
      attributes->orig_attr.vendor_id = vendor;
      return 0;
    };
    table.pollCq = [this](ibv_cq*, std::span<Completion> into, std::size_t* count) {
      *count = received.has_value() ? 1 : 0;
      if (received) into[0] = {*std::exchange(received, std::nullopt), 0};
      return 0;
    };
    return table;
  }

  NoOpDevice device;
  int refusal = 0;
  bool isChanged = true;
  ibv_moderate_cq moderation{};
  std::uint32_t vendor = 0x2c9;    // ID of a maker of network cards
  std::optional<ibv_wc> received;  // the completion of the next poll
  EventThread events{[] {}};
  Context context;
};

constexpr int kEntries = 63;  // the size that Soft-RoCE grants for 32 to 63 entries

template <typename Call>
int errorOf(const Call& call) {
  try {
    call();
  } catch (const os::SystemError& error) {
    return error.error();
  }
  return 0;
}

struct Queue {
  explicit Queue(Bench& bench, bool extended)
      : queue(bench.context.objects().get<CompletionQueue>(
            "test", CompletionQueue::create(bench.context, {kEntries, 0, 0, extended, false}))) {}

  int poll() {
    return errorOf([&] { (void)queue.poll(words, 1); });
  }
  int resize(int entries) {
    return errorOf([&] { queue.resize(entries); });
  }

  std::vector<std::uint32_t> words = std::vector<std::uint32_t>(kCompletionWords);
  CompletionQueue& queue;
};

TEST("a completion queue whose new size could not be mapped is not polled, until it is resized") {
  for (const bool extended : {false, true}) {
    for (const int error : {ENOMEM, EAGAIN}) {
      Bench bench;
      Queue queue(bench, extended);
      CHECK_EQUAL(queue.poll(), 0);
      bench.refusal = error;
      CHECK_EQUAL(queue.resize(127), error);
      CHECK_EQUAL(queue.poll(), ENOTRECOVERABLE);
      CHECK_EQUAL(queue.resize(kEntries), error);
      CHECK_EQUAL(queue.poll(), ENOTRECOVERABLE);
      bench.refusal = 0;
      CHECK_EQUAL(queue.resize(kEntries), 0);
      CHECK_EQUAL(queue.poll(), 0);
    }
  }
}

TEST("nor is one that was to have the size that it has, which does not tell") {
  Bench bench;
  Queue queue(bench, false);
  bench.refusal = ENOMEM;
  bench.isChanged = false;
  CHECK_EQUAL(queue.resize(40), ENOMEM);
  CHECK_EQUAL(queue.poll(), ENOTRECOVERABLE);
}

TEST("a completion queue whose size the kernel did not change is polled on") {
  Bench bench;
  Queue queue(bench, false);
  bench.isChanged = false;
  for (const int entries : {1, 31, 64, 1000}) {
    bench.refusal = ENOMEM;
    CHECK_EQUAL(queue.resize(entries), ENOMEM);
    CHECK_EQUAL(queue.poll(), 0);
  }
  bench.refusal = EINVAL;
  CHECK_EQUAL(queue.resize(40), EINVAL);
  CHECK_EQUAL(queue.poll(), 0);
}

// The flags that JavaScript sees for a receive with `flags`. `more` becomes the sender, and the immediate data or key.
std::uint32_t flagsSeen(Bench& bench, ibv_qp_type type, unsigned flags, std::array<std::uint32_t, 2>& more) {
  Queue queue(bench, false);
  const Handle domain = ProtectionDomain::allocate(bench.context);
  const Handle completions = CompletionQueue::create(bench.context, {kEntries, 0, 0, false, false});
  const QueuePairRequest request{type, domain, completions, completions, 0, {1, 1, 1, 1, 0}, false};
  const auto& pair = bench.context.objects().get<QueuePair>("test", QueuePair::create(bench.context, request));
  ibv_wc work{};
  work.opcode = IBV_WC_RECV;
  work.qp_num = pair.number();
  work.src_qp = 9;
  work.wc_flags = flags;
  work.invalidated_rkey = 0x1234;
  bench.received = work;
  CHECK_EQUAL(queue.queue.poll(queue.words, 1), 1U);
  more = {queue.words[completion_word::kSourceQueuePair], queue.words[completion_word::kImmediate]};
  return queue.words[completion_word::kFlags];
}

TEST("a header and a sender are told of datagrams only, whatever a device says of connections") {
  Bench bench;
  std::array<std::uint32_t, 2> more{};
  CHECK_EQUAL(flagsSeen(bench, IBV_QPT_UD, IBV_WC_GRH, more), unsigned{IBV_WC_GRH});
  CHECK_EQUAL(more[0], 9U);
  for (const ibv_qp_type type : {IBV_QPT_RC, IBV_QPT_UC}) {
    CHECK_EQUAL(flagsSeen(bench, type, IBV_WC_GRH, more), 0U);
    CHECK_EQUAL(more[0], 0U);
  }
}

TEST("the key that was invalidated is told, also by the kernel's flag, which is Soft-RoCE's alone") {
  std::array<std::uint32_t, 2> more{};
  for (const unsigned flag : {IBV_WC_WITH_INV, IBV_WC_IP_CSUM_OK}) {
    Bench bench;
    bench.vendor = 0xffffff;
    CHECK_EQUAL(flagsSeen(bench, IBV_QPT_RC, flag, more), unsigned{IBV_WC_WITH_INV});
    CHECK_EQUAL(more[1], 0x1234U);
  }
  Bench bench;
  CHECK_EQUAL(flagsSeen(bench, IBV_QPT_UD, IBV_WC_IP_CSUM_OK, more), unsigned{IBV_WC_IP_CSUM_OK});
  CHECK_EQUAL(more[1], 0U);
}

TEST("the moderation of a queue reaches the library, and its refusal comes back") {
  Bench bench;
  auto& queue = bench.context.objects().get<CompletionQueue>(
      "test", CompletionQueue::create(bench.context, {16, 0, 0, false, false}));
  queue.moderate(16, 250);
  CHECK_EQUAL(bench.moderation.cq_count, 16);
  CHECK_EQUAL(bench.moderation.cq_period, 250);
  bench.refusal = EOPNOTSUPP;
  CHECK_EQUAL(errorOf([&] { queue.moderate(1, 1); }), EOPNOTSUPP);
}

TEST("a shared receive queue whose new size could not be mapped is not posted to, until it is changed") {
  Bench bench;
  ibv_srq_attr capacity{8, 1, 0};
  const Handle domain = ProtectionDomain::allocate(bench.context);
  auto& queue = bench.context.objects().get<SharedReceiveQueue>(
      "test", SharedReceiveQueue::create(bench.context, domain, capacity));
  const auto post = [&] {
    const std::vector<std::uint32_t> words(kReceiveHeaderWords);
    return errorOf([&] { queue.postReceive(words, kReceiveHeaderWords, 1); });
  };
  const auto change = [&](int refusal, int mask) {
    bench.refusal = refusal;
    return errorOf([&] { queue.modify({16, 0, 1}, mask); });
  };
  CHECK_EQUAL(change(ENOMEM, IBV_SRQ_LIMIT), ENOMEM);
  CHECK_EQUAL(change(EINVAL, IBV_SRQ_MAX_WR), EINVAL);
  CHECK_EQUAL(post(), 0);
  CHECK_EQUAL(change(ENOMEM, IBV_SRQ_MAX_WR), ENOMEM);
  CHECK_EQUAL(post(), ENOTRECOVERABLE);
  CHECK_EQUAL(change(0, IBV_SRQ_LIMIT), 0);
  CHECK_EQUAL(post(), ENOTRECOVERABLE);
  CHECK_EQUAL(change(0, IBV_SRQ_MAX_WR), 0);
  CHECK_EQUAL(post(), 0);
}

}  // namespace
}  // namespace pinfold::verbs

TAP_MAIN()
