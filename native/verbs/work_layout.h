// Work requests and completions in 32-bit words: the numbers and names of src/rdma/contract/work-layout.ts, which
// explains them. A test compares the two.
#pragma once

#include <cstddef>

namespace pinfold::verbs {

// A send request. 64-bit values take two words, the low one first.
namespace send_word {
constexpr std::size_t kId = 0;
constexpr std::size_t kOpcode = 2;
constexpr std::size_t kFlags = 3;
constexpr std::size_t kEntries = 4;
constexpr std::size_t kImmediate = 5;
constexpr std::size_t kRkey = 6;
constexpr std::size_t kRemoteAddress = 7;
constexpr std::size_t kCompareAdd = 9;
constexpr std::size_t kSwap = 11;
constexpr std::size_t kAddressHandle = 13;
constexpr std::size_t kRemoteQueuePair = 14;
constexpr std::size_t kRemoteKey = 15;
constexpr std::size_t kWindow = 16;
constexpr std::size_t kBindRegistration = 17;
constexpr std::size_t kBindOffset = 18;
constexpr std::size_t kBindLength = 20;
constexpr std::size_t kBindAccess = 22;
constexpr std::size_t kBindKey = 23;
}  // namespace send_word
constexpr std::size_t kSendHeaderWords = 24;

// A receive request.
namespace receive_word {
constexpr std::size_t kId = 0;
constexpr std::size_t kEntries = 2;
}  // namespace receive_word
constexpr std::size_t kReceiveHeaderWords = 4;

// A scatter entry.
namespace entry_word {
constexpr std::size_t kRegistration = 0;
constexpr std::size_t kLength = 1;
constexpr std::size_t kOffset = 2;
}  // namespace entry_word
constexpr std::size_t kEntryWords = 4;

// A completion.
namespace completion_word {
constexpr std::size_t kId = 0;
constexpr std::size_t kStatus = 2;
constexpr std::size_t kOpcode = 3;
constexpr std::size_t kVendorError = 4;
constexpr std::size_t kBytes = 5;
constexpr std::size_t kQueuePair = 6;
constexpr std::size_t kSourceQueuePair = 7;
constexpr std::size_t kFlags = 8;
constexpr std::size_t kImmediate = 9;
constexpr std::size_t kPartitionKeyIndex = 10;
constexpr std::size_t kSourceLid = 11;
constexpr std::size_t kServiceLevel = 12;
constexpr std::size_t kDestinationPathBits = 13;
constexpr std::size_t kTimestamp = 14;
}  // namespace completion_word
constexpr std::size_t kCompletionWords = 16;

}  // namespace pinfold::verbs
