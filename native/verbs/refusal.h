// The reasons to refuse a work request before libibverbs is called. The numbers are those of
// src/rdma/contract/refusal-reasons.ts, which contains a sentence for each. A SystemError with EINVAL contains the
// number as the value `reason`.
#pragma once

#include <cstdint>

namespace pinfold::verbs {

enum class Refusal : std::uint8_t {
  None = 0,
  Operation = 1,
  Flags = 2,
  InlineOperation = 3,
  InlineBytes = 4,
  InlineMemory = 5,
  Entries = 6,
  EntryRegistration = 7,
  EntryRange = 8,
  AtomicBytes = 9,
  AddressHandle = 10,
  BindWindow = 11,
  BindRegistration = 12,
  BindBytes = 13,
  BindRange = 14,
};

}  // namespace pinfold::verbs
