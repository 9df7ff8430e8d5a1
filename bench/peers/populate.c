// The floor of allocating hugepages: only the system calls.
//
//   populate BYTES HUGE_PAGE_BYTES
//
// Workloads; a round handles BYTES:
//   mmap         mmap(MAP_HUGETLB | MAP_POPULATE), without the time of munmap
//   memfd-1, -2  a memfd of hugepages, populated by MADV_POPULATE_WRITE by one thread, or by two threads half each; the
//                time from memfd_create to the last page, without that of munmap
//   cycle        mmap(MAP_HUGETLB | MAP_POPULATE) and munmap, both timed: the kernel's own time for a short life
//   cycle-memfd  the same with a memfd: the kernel's time for memory that can be shared
#define _GNU_SOURCE
#include <linux/memfd.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include "line_protocol.h"

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

static uint64_t bytes;
static uint64_t page_bytes;
static unsigned size_code;

// If MAP_POPULATE finds too few pages, it leaves holes without an error (mmap(2)), and would look fast.
static void check_whole(void* address) {
  const uint64_t base_page = (uint64_t)sysconf(_SC_PAGESIZE);
  unsigned char state;
  for (uint64_t at = 0; at < bytes; at += page_bytes) {
    if (mincore((char*)address + at, base_page, &state) != 0) give_up("mincore");
    if (!(state & 1)) {
      errno = ENOMEM;
      give_up("too few hugepages: mmap(MAP_POPULATE) left a hole");
    }
  }
}

static void* map_anonymous(void) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE | (int)(size_code << MAP_HUGE_SHIFT);
  void* address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (address == MAP_FAILED) give_up("mmap(MAP_HUGETLB | MAP_POPULATE)");
  return address;
}

static double map_whole(uint64_t rounds) {
  double seconds = 0;
  for (uint64_t i = 0; i < rounds; i++) {
    const double start = now();
    void* address = map_anonymous();
    seconds += now() - start;
    check_whole(address);
    munmap(address, bytes);
  }
  return seconds;
}

static double cycle(uint64_t rounds) {
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) munmap(map_anonymous(), bytes);
  return now() - start;
}

struct range {
  char* address;
  uint64_t length;
  int error;
};

static void* populate(void* argument) {
  struct range* range = argument;
  range->error = madvise(range->address, range->length, MADV_POPULATE_WRITE) == 0 ? 0 : errno;
  return NULL;
}

static int make_memfd(void) {
  const int fd = memfd_create("peer", MFD_CLOEXEC | MFD_HUGETLB | (size_code << MFD_HUGE_SHIFT));
  if (fd < 0) give_up("memfd_create");
  if (ftruncate(fd, (off_t)bytes) != 0) give_up("ftruncate");
  return fd;
}

static char* map_memfd(int fd, unsigned threads) {
  char* address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) give_up("mmap of a memfd");
  const uint64_t half = bytes / page_bytes / 2 * page_bytes;
  struct range first = {address, threads == 1 ? bytes : half, 0};
  struct range second = {address + half, bytes - half, 0};
  pthread_t thread;
  if (threads == 2 && pthread_create(&thread, NULL, populate, &second) != 0) give_up("pthread_create");
  populate(&first);
  if (threads == 2) pthread_join(thread, NULL);
  errno = first.error != 0 ? first.error : second.error;
  if (errno != 0) give_up("madvise(MADV_POPULATE_WRITE)");
  return address;
}

static double populate_memfd(uint64_t rounds, unsigned threads) {
  double seconds = 0;
  for (uint64_t i = 0; i < rounds; i++) {
    const double start = now();
    const int fd = make_memfd();
    char* address = map_memfd(fd, threads);
    seconds += now() - start;
    munmap(address, bytes);
    close(fd);
  }
  return seconds;
}

static double one_thread(uint64_t rounds) { return populate_memfd(rounds, 1); }
static double two_threads(uint64_t rounds) { return populate_memfd(rounds, 2); }

static double cycle_memfd(uint64_t rounds) {
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    const int fd = make_memfd();
    munmap(map_memfd(fd, 1), bytes);
    close(fd);
  }
  return now() - start;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    errno = EINVAL;
    give_up("expected two arguments");
  }
  bytes = strtoull(argv[1], NULL, 10);
  page_bytes = strtoull(argv[2], NULL, 10);
  size_code = (unsigned)__builtin_ctzll(page_bytes);
  const struct workload workloads[] = {{"mmap", map_whole},
                                       {"memfd-1", one_thread},
                                       {"memfd-2", two_threads},
                                       {"cycle", cycle},
                                       {"cycle-memfd", cycle_memfd}};
  return serve(workloads, 5);
}
