// Reading /proc/kpageflags and /proc/kpagecount (Documentation/admin-guide/mm/pagemap.rst): one 64-bit word for each
// page frame of the machine. Both need CAP_SYS_ADMIN to be of use.
#pragma once

#include <cstdint>
#include <span>

namespace pinfold::translate {

enum class PageWords : std::uint8_t { Flags = 0, Count = 1 };

// The word of each page frame that holds physical[i]; 0 for negative (unknown) ones, NaN, and past the end of memory.
// Throws SystemError("open") or ("pread").
void readPageWords(PageWords file, std::span<const double> physical, std::span<std::uint64_t> words);

}  // namespace pinfold::translate
