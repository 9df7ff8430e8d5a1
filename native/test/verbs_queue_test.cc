#include <cerrno>
#include <memory>
#include <vector>

#include "test/tap.h"
#include "verbs/completion_queue.h"
#include "verbs/no_op_device.h"
#include "verbs/shared_receive_queue.h"
#include "verbs/work_layout.h"

namespace pinfold::verbs {
namespace {

// A device whose library does as Soft-RoCE's where mmap(2) fails: the kernel has changed a queue's size by then.
struct Bench {
  Bench() : context(std::make_shared<const FunctionTable>(table()), "noop0", events, 1) {}

  FunctionTable table() {
    FunctionTable table = device.functions();
    table.resizeCq = [this](ibv_cq* queue, int entries) {
      if (refusal == 0 || isChanged) queue->cqe = entries;
      return refusal;
    };
    table.modifySrq = [this](ibv_srq*, ibv_srq_attr*, int) { return refusal; };
    return table;
  }

  NoOpDevice device;
  int refusal = 0;
  bool isChanged = true;
  EventThread events{[] {}};
  Context context;
};

constexpr int kEntries = 63;  // as Soft-RoCE would give for any from 32 on

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

  std::vector<std::uint32_t> words = std::vector<std::uint32_t>(layout::kCompletion);
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

TEST("a shared receive queue whose new size could not be mapped is not posted to, until it is changed") {
  Bench bench;
  ibv_srq_attr capacity{8, 1, 0};
  const Handle domain = ProtectionDomain::allocate(bench.context);
  auto& queue = bench.context.objects().get<SharedReceiveQueue>(
      "test", SharedReceiveQueue::create(bench.context, domain, capacity));
  const auto post = [&] {
    const std::vector<std::uint32_t> words(layout::kReceiveHeader);
    return errorOf([&] { queue.postReceive(words, layout::kReceiveHeader, 1); });
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
