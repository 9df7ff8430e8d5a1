#include "verbs/attribute_words.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace pinfold::verbs {
namespace {

// Words of a path.
constexpr std::size_t kGlobal = 0;
constexpr std::size_t kGidIndex = 1;
constexpr std::size_t kHopLimit = 2;
constexpr std::size_t kTrafficClass = 3;
constexpr std::size_t kFlowLabel = 4;
constexpr std::size_t kLid = 5;
constexpr std::size_t kServiceLevel = 6;
constexpr std::size_t kPathBits = 7;
constexpr std::size_t kPathPort = 8;
constexpr std::size_t kGid = 9;  // 4 words, in the order in which a GID is written
constexpr std::size_t kGidWords = 4;

// Words of a queue pair's attributes.
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
constexpr std::size_t kReadsStarted = 14;
constexpr std::size_t kReadsServed = 15;
constexpr std::size_t kRnrTimer = 16;
constexpr std::size_t kRemoteQueuePair = 17;
constexpr std::size_t kPath = 18;
constexpr std::size_t kCapacity = kPath + kPathWords;

std::uint8_t small(std::uint32_t word) { return static_cast<std::uint8_t>(word); }

void writePath(const ibv_ah_attr& path, std::span<std::uint32_t, kPathWords> words) {
  words[kGlobal] = path.is_global;
  words[kGidIndex] = path.grh.sgid_index;
  words[kHopLimit] = path.grh.hop_limit;
  words[kTrafficClass] = path.grh.traffic_class;
  words[kFlowLabel] = path.grh.flow_label;
  words[kLid] = path.dlid;
  words[kServiceLevel] = path.sl;
  words[kPathBits] = path.src_path_bits;
  words[kPathPort] = path.port_num;
  for (std::size_t i = 0; i < kGidWords; ++i) {
    std::uint32_t word = 0;
    std::memcpy(&word, path.grh.dgid.raw + i * sizeof word, sizeof word);
    words[kGid + i] = ntohl(word);
  }
}

}  // namespace

ibv_ah_attr pathOf(std::span<const std::uint32_t, kPathWords> words) {
  ibv_ah_attr path{};
  path.is_global = small(words[kGlobal]);
  path.grh.sgid_index = small(words[kGidIndex]);
  path.grh.hop_limit = small(words[kHopLimit]);
  path.grh.traffic_class = small(words[kTrafficClass]);
  path.grh.flow_label = words[kFlowLabel];
  path.dlid = static_cast<std::uint16_t>(words[kLid]);
  path.sl = small(words[kServiceLevel]);
  path.src_path_bits = small(words[kPathBits]);
  path.port_num = small(words[kPathPort]);
  for (std::size_t i = 0; i < kGidWords; ++i) {
    const std::uint32_t word = htonl(words[kGid + i]);
    std::memcpy(path.grh.dgid.raw + i * sizeof word, &word, sizeof word);
  }
  return path;
}

ibv_qp_attr attributesOf(std::span<const std::uint32_t, kAttributeWords> words, int& mask) {
  mask = static_cast<int>(words[kMask]);
  ibv_qp_attr attributes{};
  attributes.qp_state = static_cast<ibv_qp_state>(words[kState]);
  attributes.cur_qp_state = static_cast<ibv_qp_state>(words[kCurrentState]);
  attributes.en_sqd_async_notify = small(words[kDrainNotify]);
  attributes.qp_access_flags = words[kAccess];
  attributes.pkey_index = static_cast<std::uint16_t>(words[kPartitionKeyIndex]);
  attributes.port_num = small(words[kPort]);
  attributes.qkey = words[kQueueKey];
  attributes.path_mtu = static_cast<ibv_mtu>(words[kMtu]);
  attributes.timeout = small(words[kTimeout]);
  attributes.retry_cnt = small(words[kRetryCount]);
  attributes.rnr_retry = small(words[kRnrRetry]);
  attributes.rq_psn = words[kReceivePsn];
  attributes.sq_psn = words[kSendPsn];
  attributes.max_rd_atomic = small(words[kReadsStarted]);
  attributes.max_dest_rd_atomic = small(words[kReadsServed]);
  attributes.min_rnr_timer = small(words[kRnrTimer]);
  attributes.dest_qp_num = words[kRemoteQueuePair];
  attributes.ah_attr = pathOf(words.subspan<kPath, kPathWords>());
  return attributes;
}

void writeAttributes(const ibv_qp_attr& attributes, const ibv_qp_cap& capacity,
                     std::span<std::uint32_t, kAttributeWords> words) {
  std::ranges::fill(words, 0U);
  words[kState] = attributes.qp_state;
  words[kAccess] = attributes.qp_access_flags;
  words[kPartitionKeyIndex] = attributes.pkey_index;
  words[kPort] = attributes.port_num;
  words[kQueueKey] = attributes.qkey;
  words[kMtu] = attributes.path_mtu;
  words[kTimeout] = attributes.timeout;
  words[kRetryCount] = attributes.retry_cnt;
  words[kRnrRetry] = attributes.rnr_retry;
  words[kReceivePsn] = attributes.rq_psn;
  words[kSendPsn] = attributes.sq_psn;
  words[kReadsStarted] = attributes.max_rd_atomic;
  words[kReadsServed] = attributes.max_dest_rd_atomic;
  words[kRnrTimer] = attributes.min_rnr_timer;
  words[kRemoteQueuePair] = attributes.dest_qp_num;
  writePath(attributes.ah_attr, words.subspan<kPath, kPathWords>());
  words[kCapacity] = capacity.max_send_wr;
  words[kCapacity + 1] = capacity.max_recv_wr;
  words[kCapacity + 2] = capacity.max_send_sge;
  words[kCapacity + 3] = capacity.max_recv_sge;
  words[kCapacity + 4] = capacity.max_inline_data;
}

}  // namespace pinfold::verbs
