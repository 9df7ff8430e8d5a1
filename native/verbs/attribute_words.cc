#include "verbs/attribute_words.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace pinfold::verbs {
namespace {

// Words of a path.
namespace path_word {
constexpr std::size_t kGlobal = 0;
constexpr std::size_t kGidIndex = 1;
constexpr std::size_t kHopLimit = 2;
constexpr std::size_t kTrafficClass = 3;
constexpr std::size_t kFlowLabel = 4;
constexpr std::size_t kLid = 5;
constexpr std::size_t kServiceLevel = 6;
constexpr std::size_t kPathBits = 7;
constexpr std::size_t kPort = 8;
constexpr std::size_t kGid = 9;  // 4 words, in the order in which a GID is written
}  // namespace path_word
constexpr std::size_t kGidWords = 4;

// Words of a queue pair's attributes.
namespace attribute_word {
constexpr std::size_t kMask = 0;
constexpr std::size_t kState = 1;
constexpr std::size_t kCurrentState = 2;
constexpr std::size_t kDrainNotify = 3;
constexpr std::size_t kAccess = 4;
constexpr std::size_t kPartitionKeyIndex = 5;
constexpr std::size_t kPort = 6;
constexpr std::size_t kQueueKey = 7;
constexpr std::size_t kMtu = 8;
constexpr std::size_t kTimeout = 9;
constexpr std::size_t kRetryCount = 10;
constexpr std::size_t kRnrRetry = 11;
constexpr std::size_t kReceivePsn = 12;
constexpr std::size_t kSendPsn = 13;
constexpr std::size_t kMaxReadsStarted = 14;
constexpr std::size_t kMaxReadsServed = 15;
constexpr std::size_t kMinRnrTimer = 16;
constexpr std::size_t kRemoteQueuePair = 17;
constexpr std::size_t kPath = 18;
constexpr std::size_t kCapacity = 31;
}  // namespace attribute_word
static_assert(attribute_word::kCapacity == attribute_word::kPath + kPathWords);

std::uint8_t small(std::uint32_t word) { return static_cast<std::uint8_t>(word); }

void writePath(const ibv_ah_attr& path, std::span<std::uint32_t, kPathWords> words) {
  words[path_word::kGlobal] = path.is_global;
  words[path_word::kGidIndex] = path.grh.sgid_index;
  words[path_word::kHopLimit] = path.grh.hop_limit;
  words[path_word::kTrafficClass] = path.grh.traffic_class;
  words[path_word::kFlowLabel] = path.grh.flow_label;
  words[path_word::kLid] = path.dlid;
  words[path_word::kServiceLevel] = path.sl;
  words[path_word::kPathBits] = path.src_path_bits;
  words[path_word::kPort] = path.port_num;
  for (std::size_t i = 0; i < kGidWords; ++i) {
    std::uint32_t word = 0;
    std::memcpy(&word, path.grh.dgid.raw + i * sizeof word, sizeof word);
    words[path_word::kGid + i] = ntohl(word);
  }
}

}  // namespace

ibv_ah_attr pathOf(std::span<const std::uint32_t, kPathWords> words) {
  ibv_ah_attr path{};
  path.is_global = small(words[path_word::kGlobal]);
  path.grh.sgid_index = small(words[path_word::kGidIndex]);
  path.grh.hop_limit = small(words[path_word::kHopLimit]);
  path.grh.traffic_class = small(words[path_word::kTrafficClass]);
  path.grh.flow_label = words[path_word::kFlowLabel];
  path.dlid = static_cast<std::uint16_t>(words[path_word::kLid]);
  path.sl = small(words[path_word::kServiceLevel]);
  path.src_path_bits = small(words[path_word::kPathBits]);
  path.port_num = small(words[path_word::kPort]);
  for (std::size_t i = 0; i < kGidWords; ++i) {
    const std::uint32_t word = htonl(words[path_word::kGid + i]);
    std::memcpy(path.grh.dgid.raw + i * sizeof word, &word, sizeof word);
  }
  return path;
}

ibv_qp_attr attributesOf(std::span<const std::uint32_t, kAttributeWords> words, int& mask) {
  mask = static_cast<int>(words[attribute_word::kMask]);
  ibv_qp_attr attributes{};
  attributes.qp_state = static_cast<ibv_qp_state>(words[attribute_word::kState]);
  attributes.cur_qp_state = static_cast<ibv_qp_state>(words[attribute_word::kCurrentState]);
  attributes.en_sqd_async_notify = small(words[attribute_word::kDrainNotify]);
  attributes.qp_access_flags = words[attribute_word::kAccess];
  attributes.pkey_index = static_cast<std::uint16_t>(words[attribute_word::kPartitionKeyIndex]);
  attributes.port_num = small(words[attribute_word::kPort]);
  attributes.qkey = words[attribute_word::kQueueKey];
  attributes.path_mtu = static_cast<ibv_mtu>(words[attribute_word::kMtu]);
  attributes.timeout = small(words[attribute_word::kTimeout]);
  attributes.retry_cnt = small(words[attribute_word::kRetryCount]);
  attributes.rnr_retry = small(words[attribute_word::kRnrRetry]);
  attributes.rq_psn = words[attribute_word::kReceivePsn];
  attributes.sq_psn = words[attribute_word::kSendPsn];
  attributes.max_rd_atomic = small(words[attribute_word::kMaxReadsStarted]);
  attributes.max_dest_rd_atomic = small(words[attribute_word::kMaxReadsServed]);
  attributes.min_rnr_timer = small(words[attribute_word::kMinRnrTimer]);
  attributes.dest_qp_num = words[attribute_word::kRemoteQueuePair];
  attributes.ah_attr = pathOf(words.subspan<attribute_word::kPath, kPathWords>());
  return attributes;
}

void writeAttributes(const ibv_qp_attr& attributes, const ibv_qp_cap& capacity,
                     std::span<std::uint32_t, kAttributeWords> words) {
  std::ranges::fill(words, 0U);
  words[attribute_word::kState] = attributes.qp_state;
  words[attribute_word::kAccess] = attributes.qp_access_flags;
  words[attribute_word::kPartitionKeyIndex] = attributes.pkey_index;
  words[attribute_word::kPort] = attributes.port_num;
  words[attribute_word::kQueueKey] = attributes.qkey;
  words[attribute_word::kMtu] = attributes.path_mtu;
  words[attribute_word::kTimeout] = attributes.timeout;
  words[attribute_word::kRetryCount] = attributes.retry_cnt;
  words[attribute_word::kRnrRetry] = attributes.rnr_retry;
  words[attribute_word::kReceivePsn] = attributes.rq_psn;
  words[attribute_word::kSendPsn] = attributes.sq_psn;
  words[attribute_word::kMaxReadsStarted] = attributes.max_rd_atomic;
  words[attribute_word::kMaxReadsServed] = attributes.max_dest_rd_atomic;
  words[attribute_word::kMinRnrTimer] = attributes.min_rnr_timer;
  words[attribute_word::kRemoteQueuePair] = attributes.dest_qp_num;
  writePath(attributes.ah_attr, words.subspan<attribute_word::kPath, kPathWords>());
  words[attribute_word::kCapacity] = capacity.max_send_wr;
  words[attribute_word::kCapacity + 1] = capacity.max_recv_wr;
  words[attribute_word::kCapacity + 2] = capacity.max_send_sge;
  words[attribute_word::kCapacity + 3] = capacity.max_recv_sge;
  words[attribute_word::kCapacity + 4] = capacity.max_inline_data;
}

}  // namespace pinfold::verbs
