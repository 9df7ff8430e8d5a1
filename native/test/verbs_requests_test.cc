// Requests of one entry take a fast path (SendBatch::takePlain). Each reaches the library exactly as on the general
// path, which the same request takes with a second entry of no bytes.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "test/mapping_request.h"
#include "test/tap.h"
#include "verbs/no_op_device.h"
#include "verbs/queue_pair.h"
#include "verbs/work_layout.h"

namespace pinfold::verbs {
namespace {

constexpr std::size_t kStride = kSendHeaderWords + 2 * kEntryWords;

// The fields of a request that libraries of devices read.
struct Posted {
  std::uint64_t id;
  int opcode;
  unsigned flags;
  std::uint64_t remote;
  std::uint32_t rkey;
  std::vector<std::array<std::uint64_t, 3>> entries;
  bool operator==(const Posted&) const = default;
};

struct Bench {
  NoOpDevice device;
  EventThread events{[] {}};
  std::vector<Posted> posted;
  std::unique_ptr<Context> context;
  Handle domain = 0;
  Handle registration = 0;
  Handle pair = 0;

  explicit Bench(ibv_qp_type type) {
    auto table = std::make_shared<FunctionTable>(device.functions());
    table->postSend = [this](ibv_qp*, ibv_send_wr* first, ibv_send_wr**) {
      for (const ibv_send_wr* work = first; work != nullptr; work = work->next) record(*work);
      return 0;
    };
    context = std::make_unique<Context>(table, "noop0", events, 1);
    domain = ProtectionDomain::allocate(*context);
    memory::RegionUser user = memory::RegionTable::process().add(test::made(test::requestOf()), test::requestOf(), "");
    registration = Registration::ofRegion(*context, domain, regionRange("test", user.entry().id, 0, 4096), std::nullopt,
                                          IBV_ACCESS_LOCAL_WRITE);
    const Handle queue = CompletionQueue::create(*context, {256, 0, 0, false, false});
    pair = QueuePair::create(*context, {type, domain, queue, queue, 0, {64, 4, 2, 1, 64}, false});
  }
  ~Bench() { context->close(); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void record(const ibv_send_wr& work) {
    Posted one{work.wr_id, work.opcode, work.send_flags, work.wr.rdma.remote_addr, work.wr.rdma.rkey, {}};
    for (int i = 0; i < work.num_sge; ++i) {
      const ibv_sge& entry = work.sg_list[i];
      one.entries.push_back({entry.addr, entry.length, entry.lkey});
    }
    posted.push_back(one);
  }

  // Posts the requests, and returns how they reached the library, and the reason of a refusal.
  std::pair<std::vector<Posted>, std::string> post(const std::vector<std::uint32_t>& words) {
    posted.clear();
    std::string refusal;
    try {
      context->objects().get<QueuePair>("test", pair).postSend(words, kStride, words.size() / kStride);
    } catch (const os::SystemError& error) {
      for (const auto& [name, value] : error.values()) refusal += std::string(name) + "=" + std::to_string(value) + " ";
    }
    return {posted, refusal};
  }
};

// Pseudo-random numbers, the same in each run.
class Random {
 public:
  std::uint32_t operator()(std::uint32_t below) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::uint32_t>(state_ >> 33U) % below;
  }

 private:
  std::uint64_t state_ = 42;
};

std::vector<std::uint32_t> requests(Random& random, Handle registration, bool hasSecondEntry) {
  std::vector<std::uint32_t> words(40 * kStride);
  for (std::size_t at = 0; at < words.size(); at += kStride) {
    words[at + send_word::kId] = random(1000);
    words[at + send_word::kId + 1] = random(3);
    constexpr std::array<std::uint32_t, 3> kOpcodes = {IBV_WR_RDMA_WRITE, IBV_WR_SEND, IBV_WR_RDMA_READ};
    words[at + send_word::kOpcode] = kOpcodes.at(random(3));
    words[at + send_word::kFlags] = random(8);
    words[at + send_word::kEntries] = hasSecondEntry ? 2 : 1;
    words[at + send_word::kRkey] = random(1000);
    words[at + send_word::kRemoteAddress] = random(1U << 31U);
    words[at + send_word::kRemoteAddress + 1] = random(4);
    const std::size_t entry = at + kSendHeaderWords;
    words[entry + entry_word::kRegistration] = random(100) == 0 ? 1 : registration;
    words[entry + entry_word::kLength] = random(100) == 0 ? 4097 : random(64);
    words[entry + entry_word::kOffset] = random(4032);
    words[entry + kEntryWords + entry_word::kRegistration] = registration;
  }
  return words;
}

void compare(ibv_qp_type type) {
  Bench bench(type);
  std::size_t taken = 0;
  std::size_t refused = 0;
  for (int round = 0; round < 300; ++round) {
    Random one;
    Random other;
    for (int skip = 0; skip < round; ++skip) CHECK_EQUAL(one(9), other(9));
    const auto fast = bench.post(requests(one, bench.registration, false));
    const auto general = bench.post(requests(other, bench.registration, true));
    CHECK(fast == general);
    taken += fast.first.size();
    refused += fast.second.empty() ? 0 : 1;
  }
  CHECK(taken > 300);
  CHECK(refused > 10);
}

TEST("a request of one entry reaches the library the same on both paths, on a reliable connection") {
  compare(IBV_QPT_RC);
}

TEST("the same on an unreliable connection, which takes no reads") { compare(IBV_QPT_UC); }

}  // namespace
}  // namespace pinfold::verbs

TAP_MAIN()
