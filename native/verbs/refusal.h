// Why a work request is refused before libibverbs is called: the numbers of src/rdma/contract/refusal-reasons.ts, which
// has a sentence for each. SystemError carries them as the value `reason`, beside EINVAL.
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
