// The floor of asking the kernel where a page is: reads of /proc/self/pagemap
// (Documentation/admin-guide/mm/pagemap.rst: one 64-bit entry for each base page of the address space).
//
//   pagemap BASE_BYTES HUGE_PAGES HUGE_PAGE_BYTES    populates a memfd of so many base-page bytes and, for the
//                                                    hugepage workloads, a memfd of so many hugepages
//
// Workloads: 'pread' one entry of a random hugepage through an open descriptor; 'virt2phy' the same as DPDK's
// rte_mem_virt2phy does it (lib/eal/linux/eal_memory.c: open, lseek, read 8 bytes, close, each time; written for this
// comparison); 'hugepages' one pread for each hugepage in turn, a round being one page; 'bulk' all entries of the
// base-page memory, a round being the whole of it.
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
static char* base;
static uint64_t base_bytes;
static char* huge;
static uint64_t huge_pages;
static uint64_t huge_page_bytes;
static uint64_t* entries;

static char* populated(uint64_t bytes, unsigned flags) {
  const int fd = memfd_create("peer", MFD_CLOEXEC | flags);
  if (fd < 0) give_up("memfd_create");
  if (ftruncate(fd, (off_t)bytes) != 0) give_up("ftruncate");
  char* address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) give_up("mmap");
  if (madvise(address, bytes, MADV_POPULATE_WRITE) != 0) give_up("madvise(MADV_POPULATE_WRITE)");
  close(fd);
  return address;
}

static uint64_t checked(ssize_t got, uint64_t entry) {
  if (got != sizeof entry) give_up("pread of pagemap");
  if (!(entry & PRESENT)) {
    errno = ENXIO;
    give_up("a page that was populated");
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
  const uint64_t pages = base_bytes / page_size;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    uint64_t done = 0;
    while (done < pages) {
      const off_t at = (off_t)(((uint64_t)base / page_size + done) * sizeof *entries);
      const ssize_t got = pread(pagemap, entries + done, (pages - done) * sizeof *entries, at);
      if (got <= 0) give_up("pread of pagemap");
      done += (uint64_t)got / sizeof *entries;
    }
    keep(entries[pages - 1]);
  }
  return now() - start;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    errno = EINVAL;
    give_up("three arguments wanted");
  }
  page_size = (uint64_t)sysconf(_SC_PAGESIZE);
  base_bytes = strtoull(argv[1], NULL, 10);
  huge_pages = strtoull(argv[2], NULL, 10);
  huge_page_bytes = strtoull(argv[3], NULL, 10);
  pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (pagemap < 0) give_up("open of pagemap");
  if (base_bytes > 0) {
    base = populated(base_bytes, 0);
    entries = calloc(base_bytes / page_size, sizeof *entries);
    if (entries == NULL) give_up("calloc");
    memset(entries, 1, base_bytes / page_size * sizeof *entries);
  }
  if (huge_pages > 0) {
    const unsigned size_code = (unsigned)__builtin_ctzll(huge_page_bytes) << MFD_HUGE_SHIFT;
    huge = populated(huge_pages * huge_page_bytes, MFD_HUGETLB | size_code);
  }
  const struct workload workloads[] = {
      {"pread", one_pread}, {"virt2phy", virt2phy}, {"hugepages", each_hugepage}, {"bulk", bulk}};
  return serve(workloads, 4);
}
