// System calls and constants that glibc 2.36 does not wrap, or that older headers lack. Values: include/uapi/linux.
#pragma once

#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <span>

namespace pinfold::os {

constexpr int kMadvPopulateRead = 22;         // mman-common.h, Linux 5.14
constexpr int kMadvPopulateWrite = 23;        // the same
constexpr int kMadvDontneedLocked = 24;       // mman-common.h, Linux 5.18
constexpr int kMadvCollapse = 25;             // mman-common.h, Linux 6.1
constexpr unsigned kMfdNoexecSeal = 0x0008U;  // memfd.h, Linux 6.3
constexpr int kPrSetVma = 0x53564d41;         // prctl.h
constexpr unsigned long kPrSetVmaAnonName = 0;
constexpr long kHugetlbfsMagic = 0x958458f6;  // magic.h
constexpr long kTmpfsMagic = 0x01021994;      // magic.h; memfds of base pages, too
constexpr unsigned kHugeShift = 26;           // MAP_HUGE_SHIFT and MFD_HUGE_SHIFT: log2(page size) goes above it

// mempolicy.h
enum class Policy : int { Default = 0, Preferred = 1, Bind = 2, Interleave = 3, PreferredMany = 5 };

// mbind(2). `nodeMask` contains one bit for each node, lowest word first. Returns errno, 0 for success.
int mbind(void* address, std::size_t length, Policy policy, std::span<const unsigned long> nodeMask) noexcept;

// The policy of a thread, for memory without its own policy: get_mempolicy(2), set_mempolicy(2). On a kernel without
// CONFIG_NUMA it is the default policy.
struct ThreadPolicy {
  int mode = 0;
  std::array<unsigned long, 16> nodeMask{};  // 1024 nodes, the most that a kernel is built for
};
ThreadPolicy threadPolicy() noexcept;
int setThreadPolicy(const ThreadPolicy& policy) noexcept;  // returns errno, 0 for success

// move_pages(2) without moving pages: writes the node of each page, or -errno, to `nodes`. Returns errno, 0 for
// success.
int queryPageNodes(std::span<void* const> pages, std::span<int> nodes) noexcept;

// getcpu(2): the NUMA node that this thread runs on.
unsigned currentNode() noexcept;

// mlock2(2) with MLOCK_ONFAULT: each page is locked when it is faulted in. Returns errno, 0 for success.
int lockOnFault(void* address, std::size_t length) noexcept;

// munlock(2). The sanitizers replace the function of the C library by one that does nothing.
void unlock(void* address, std::size_t length) noexcept;

// PR_SET_VMA_ANON_NAME: shows `name` in /proc/self/maps. Returns false when the kernel does not support such names.
bool nameAnonymous(void* address, std::size_t length, const char* name) noexcept;

}  // namespace pinfold::os
