// The floor of asking the kernel where a page is: reads of /proc/self/pagemap
// (Documentation/admin-guide/mm/pagemap.rst: one 64-bit entry for each base page of the address space).
//
//   pagemap HUGE_PAGES HUGE_PAGE_BYTES [PID ADDRESS BYTES]    populates a memfd of HUGE_PAGES hugepages
//
// Workloads:
//   pread      reads one entry of a random hugepage, through an open descriptor
//   virt2phy   reads the same as DPDK's rte_mem_virt2phy does (lib/eal/linux/eal_memory.c): open, lseek, read 8 bytes
//              and close, each time. The code was written for this comparison
//   hugepages  one pread for each hugepage in turn; a round is one page
//   bulk       reads all entries of a range of another process; a round is the whole range. It is the range that ours
//              translates: the kernel looks at the struct page of each page, so its speed depends on where pages lie
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "line_protocol.h"

#define FRAME_MASK ((UINT64_C(1) << 55) - 1)
#define PRESENT (UINT64_C(1) << 63)

static int pagemap;
static uint64_t page_size;
static int others_pagemap;
static uint64_t others_address;
static uint64_t others_bytes;
static char* huge;
static uint64_t huge_pages;
static uint64_t huge_page_bytes;
static uint64_t* entries;

static void populate_hugepages(void) {
  const uint64_t bytes = huge_pages * huge_page_bytes;
  const unsigned size_code = (unsigned)__builtin_ctzll(huge_page_bytes) << MFD_HUGE_SHIFT;
  const int fd = memfd_create("peer", MFD_CLOEXEC | MFD_HUGETLB | size_code);
  if (fd < 0) give_up("memfd_create");
  if (ftruncate(fd, (off_t)bytes) != 0) give_up("ftruncate");
  huge = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (huge == MAP_FAILED) give_up("mmap");
  if (madvise(huge, bytes, MADV_POPULATE_WRITE) != 0) give_up("madvise(MADV_POPULATE_WRITE)");
  close(fd);
}

static uint64_t checked(ssize_t got, uint64_t entry) {
  if (got != sizeof entry) give_up("pread of pagemap");
  if (!(entry & PRESENT)) {
    errno = ENXIO;
    give_up("a populated page is not present");
  }
  return (entry & FRAME_MASK) * page_size;
}

static uint64_t random_address(uint64_t* state) {
  const uint64_t number = next_random(state) >> 16;
  return (uint64_t)huge + (number % huge_pages) * huge_page_bytes + (number & 0xfff);
}

static double one_pread(uint64_t rounds) {
  uint64_t state = 2463534242;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    uint64_t entry;
    const uint64_t address = random_address(&state);
    const ssize_t got = pread(pagemap, &entry, sizeof entry, (off_t)(address / page_size * sizeof entry));
    keep(checked(got, entry));
  }
  return now() - start;
}

static double virt2phy(uint64_t rounds) {
  uint64_t state = 2463534242;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    uint64_t entry;
    const uint64_t address = random_address(&state);
    const int fd = open("/proc/self/pagemap", O_RDONLY);
    if (fd < 0) give_up("open of pagemap");
    if (lseek(fd, (off_t)(address / page_size * sizeof entry), SEEK_SET) < 0) give_up("lseek");
    const ssize_t got = read(fd, &entry, sizeof entry);
    close(fd);
    keep(checked(got, entry));
  }
  return now() - start;
}

static double each_hugepage(uint64_t rounds) {
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    uint64_t entry;
    const uint64_t address = (uint64_t)huge + (i % huge_pages) * huge_page_bytes;
    const ssize_t got = pread(pagemap, &entry, sizeof entry, (off_t)(address / page_size * sizeof entry));
    keep(checked(got, entry));
  }
  return now() - start;
}

static double bulk(uint64_t rounds) {
  const uint64_t pages = others_bytes / page_size;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    uint64_t done = 0;
    while (done < pages) {
      const off_t at = (off_t)((others_address / page_size + done) * sizeof *entries);
      const ssize_t got = pread(others_pagemap, entries + done, (pages - done) * sizeof *entries, at);
      if (got <= 0) give_up("pread of pagemap");
      done += (uint64_t)got / sizeof *entries;
    }
    keep(entries[pages - 1]);
  }
  return now() - start;
}

static void open_others(const char* pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/pagemap", pid);
  others_pagemap = open(path, O_RDONLY | O_CLOEXEC);
  if (others_pagemap < 0) give_up("open of another process's pagemap");
  const uint64_t pages = others_bytes / page_size;
  entries = calloc(pages, sizeof *entries);
  if (entries == NULL) give_up("calloc");
  memset(entries, 1, pages * sizeof *entries);
}

int main(int argc, char** argv) {
  if (argc != 3 && argc != 6) {
    errno = EINVAL;
    give_up("expected two or five arguments");
  }
  page_size = (uint64_t)sysconf(_SC_PAGESIZE);
  huge_pages = strtoull(argv[1], NULL, 10);
  huge_page_bytes = strtoull(argv[2], NULL, 10);
  pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (pagemap < 0) give_up("open of pagemap");
  if (huge_pages > 0) populate_hugepages();
  if (argc == 6) {
    others_address = strtoull(argv[4], NULL, 10);
    others_bytes = strtoull(argv[5], NULL, 10);
    open_others(argv[3]);
  }
  const struct workload workloads[] = {
      {"pread", one_pread}, {"virt2phy", virt2phy}, {"hugepages", each_hugepage}, {"bulk", bulk}};
  return serve(workloads, 4);
}
