// Reads /proc/kpageflags and /proc/kpagecount (Documentation/admin-guide/mm/pagemap.rst). They contain one 64-bit word
// for each page frame of the machine. Both need CAP_SYS_ADMIN to be of use.
#pragma once

#include <cstdint>
#include <span>

namespace pinfold::translate {

enum class PageWords : std::uint8_t { Flags = 0, Count = 1 };

// Writes to words[i] the word of the page frame that contains physical[i]. It is 0 for a negative (unknown) address,
// for NaN, and past the end of memory.
// Throws SystemError("open") or ("pread").
void readPageWords(PageWords file, std::span<const double> physical, std::span<std::uint64_t> words);

}  // namespace pinfold::translate
