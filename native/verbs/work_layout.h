// Work requests and completions in 32-bit words: the numbers of src/rdma/contract/work-layout.ts, which explains them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pinfold::verbs::layout {

// A send request. 64-bit values take two words, the low one first.
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
constexpr std::size_t kSendHeader = 24;

// A receive request.
constexpr std::size_t kReceiveEntries = 2;
constexpr std::size_t kReceiveHeader = 4;

// A scatter entry.
constexpr std::size_t kEntryRegistration = 0;
constexpr std::size_t kEntryLength = 1;
constexpr std::size_t kEntryOffset = 2;
constexpr std::size_t kEntry = 4;

// A completion.
constexpr std::size_t kStatus = 2;
constexpr std::size_t kDone = 3;
constexpr std::size_t kVendorError = 4;
constexpr std::size_t kBytes = 5;
constexpr std::size_t kQueuePair = 6;
constexpr std::size_t kSourceQueuePair = 7;
constexpr std::size_t kCompletionFlags = 8;
constexpr std::size_t kReceivedImmediate = 9;
constexpr std::size_t kPartitionKeyIndex = 10;
constexpr std::size_t kSourceLid = 11;
constexpr std::size_t kServiceLevel = 12;
constexpr std::size_t kPathBits = 13;
constexpr std::size_t kTimestamp = 14;
constexpr std::size_t kCompletion = 16;

}  // namespace pinfold::verbs::layout
