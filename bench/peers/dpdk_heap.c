// rte_malloc and rte_free of DPDK itself. The peer keeps some hundreds of blocks. A round frees one of them and
// allocates another in its place.
#include "dpdk_eal.h"

#include <rte_malloc.h>

#define KEPT 512
#define SIZES 1024

struct blocks {
  size_t sizes[SIZES];
  void* kept[KEPT];
};

static struct blocks small, page, mixed;

// xorshift32 (Marsaglia, "Xorshift RNGs", 2003). heap.ts draws the same numbers.
static inline uint32_t next_word(uint32_t* state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

static void* allocate(size_t size) {
  void* block = rte_malloc(NULL, size, 0);
  if (block == NULL) {
    errno = ENOMEM;
    give_up("rte_malloc");
  }
  return block;
}

static void* allocate_zeroed(size_t size) {
  void* block = rte_zmalloc(NULL, size, 0);
  if (block == NULL) {
    errno = ENOMEM;
    give_up("rte_zmalloc");
  }
  return block;
}

__attribute__((always_inline)) static inline double exchange(struct blocks* blocks, void* (*give)(size_t),
                                                             uint64_t rounds) {
  static uint32_t state = 2463534242;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    const uint32_t word = next_word(&state);
    void** kept = &blocks->kept[word % KEPT];
    rte_free(*kept);
    *kept = give(blocks->sizes[word / KEPT % SIZES]);
  }
  return now() - start;
}

static double exchange_small(uint64_t rounds) { return exchange(&small, allocate, rounds); }
static double exchange_page(uint64_t rounds) { return exchange(&page, allocate, rounds); }
static double exchange_mixed(uint64_t rounds) { return exchange(&mixed, allocate, rounds); }

static double exchange_zeroed(uint64_t rounds) { return exchange(&mixed, allocate_zeroed, rounds); }

int main(void) {
  start_eal();
  uint32_t state = 88172645;
  for (int i = 0; i < SIZES; i++) {
    small.sizes[i] = 64;
    page.sizes[i] = 4096;
    // 16 bytes to 16 KiB, each power of two as often as any other.
    const uint32_t least = UINT32_C(16) << next_word(&state) % 10;
    mixed.sizes[i] = least + next_word(&state) % least;
  }
  for (int i = 0; i < KEPT; i++) {
    small.kept[i] = allocate(small.sizes[i]);
    page.kept[i] = allocate(page.sizes[i]);
    mixed.kept[i] = allocate(mixed.sizes[i]);
  }
  const struct workload workloads[] = {
      {"small", exchange_small}, {"page", exchange_page}, {"mixed", exchange_mixed}, {"zeroed", exchange_zeroed}};
  return serve(workloads, 4);
}
