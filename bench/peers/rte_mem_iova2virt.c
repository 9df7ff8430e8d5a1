// rte_mem_iova2virt: physical to virtual. It walks the memory segments, one for each hugepage, until a segment contains
// the address.
//
// This code was written for this comparison. The algorithm is the one that DPDK publishes
// (lib/eal/common/eal_common_memory.c, rte_mem_iova2virt and rte_memseg_walk; lib/eal/common/eal_common_fbarray.c,
// rte_fbarray_find_next_used), not that of the --legacy-mem mode. The walk holds the memory read lock, and visits each
// of 128 segment lists that is not empty. It finds the next used segment in a bit mask, under the list's own read lock,
// and passes the segment to a callback that compares.
//
//   rte_mem_iova2virt PAGES    one list of so many 2 MiB segments, at scattered physical addresses
#include <stdatomic.h>
#include <stdbool.h>
#include "line_protocol.h"

#define LISTS 128
#define CAPACITY 8192
#define PAGE_SIZE (UINT64_C(2) << 20)

struct segment {
  uint64_t iova;
  uint64_t address;
  size_t length;
  uint64_t page_size;
  int32_t socket;
  uint32_t channels, ranks, flags;
};

// Bits 0 and 1 belong to writers. A reader adds 4, and subtracts it again if there is a writer, as rte_rwlock_read_lock
// does.
typedef _Atomic int32_t read_write_lock;

struct segment_list {
  uint64_t base;
  uint32_t count;
  uint32_t capacity;
  read_write_lock lock;
  struct segment* segments;
  uint64_t used[CAPACITY / 64];
};

static struct segment_list lists[LISTS];
static read_write_lock memory_lock;
static uint64_t pages;

static inline void read_lock(read_write_lock* lock) {
  for (;;) {
    while (atomic_load_explicit(lock, memory_order_relaxed) & 3) continue;
    if ((atomic_fetch_add_explicit(lock, 4, memory_order_acquire) & 3) == 0) return;
    atomic_fetch_sub_explicit(lock, 4, memory_order_relaxed);
  }
}

static inline void read_unlock(read_write_lock* lock) { atomic_fetch_sub_explicit(lock, 4, memory_order_release); }

__attribute__((noinline)) static int find_next_used(struct segment_list* list, uint32_t start) {
  if (start >= list->capacity) return -1;
  int found = -1;
  read_lock(&list->lock);
  uint64_t ignore = ~((UINT64_C(1) << (start % 64)) - 1);
  for (uint32_t word = start / 64; word < CAPACITY / 64; word++) {
    const uint64_t used = list->used[word] & ignore;
    ignore = ~UINT64_C(0);
    if (used == 0) continue;
    found = (int)(word * 64) + __builtin_ctzll(used);
    break;
  }
  read_unlock(&list->lock);
  return found;
}

__attribute__((noinline)) static struct segment* get(struct segment_list* list, uint32_t index) {
  return index >= list->capacity ? NULL : &list->segments[index];
}

typedef int (*visit)(const struct segment_list* list, const struct segment* segment, void* argument);

__attribute__((noinline)) static int walk(visit callback, void* argument) {
  int result = 0;
  read_lock(&memory_lock);
  for (int i = 0; i < LISTS && result == 0; i++) {
    struct segment_list* list = &lists[i];
    if (list->count == 0) continue;
    for (int index = find_next_used(list, 0); index >= 0; index = find_next_used(list, (uint32_t)index + 1)) {
      result = callback(list, get(list, (uint32_t)index), argument);
      if (result != 0) break;
    }
  }
  read_unlock(&memory_lock);
  return result;
}

struct search {
  uint64_t iova;
  void* address;
};

static int find_address(const struct segment_list* list, const struct segment* segment, void* argument) {
  (void)list;
  struct search* search = argument;
  if (search->iova < segment->iova || search->iova >= segment->iova + segment->length) return 0;
  search->address = (void*)(segment->address + (search->iova - segment->iova));
  return 1;
}

__attribute__((noinline)) static void* iova2virt(uint64_t iova) {
  struct search search = {iova, NULL};
  walk(find_address, &search);
  return search.address;
}

static double first(uint64_t rounds) {
  const uint64_t iova = lists[0].segments[0].iova + 4096;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) keep((uint64_t)iova2virt(iova));
  return now() - start;
}

static double last(uint64_t rounds) {
  const uint64_t iova = lists[0].segments[pages - 1].iova + 4096;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) keep((uint64_t)iova2virt(iova));
  return now() - start;
}

static double any(uint64_t rounds) {
  uint64_t state = 2463534242;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    const uint64_t number = next_random(&state) >> 16;
    keep((uint64_t)iova2virt(lists[0].segments[number % pages].iova + (number & 0xfff)));
  }
  return now() - start;
}

int main(int argc, char** argv) {
  pages = argc > 1 ? strtoull(argv[1], NULL, 10) : 512;
  if (pages == 0 || pages > CAPACITY) {
    errno = EINVAL;
    give_up("PAGES");
  }
  struct segment_list* list = &lists[0];
  list->base = UINT64_C(0x100000000);
  list->capacity = CAPACITY;
  list->segments = calloc(CAPACITY, sizeof *list->segments);
  if (list->segments == NULL) give_up("calloc");
  for (uint64_t page = 0; page < pages; page++) {
    // An odd multiplier permutes the numbers below a power of two. So the pages are scattered, and no two are the same.
    const uint64_t frame = (page * 40503) & 0xffff;
    list->segments[page] = (struct segment){.iova = (frame + 1) * PAGE_SIZE,
                                            .address = list->base + page * PAGE_SIZE,
                                            .length = PAGE_SIZE,
                                            .page_size = PAGE_SIZE};
    list->used[page / 64] |= UINT64_C(1) << (page % 64);
    list->count++;
  }
  const struct workload workloads[] = {{"first", first}, {"last", last}, {"any", any}};
  return serve(workloads, 3);
}
