// rte_mempool of DPDK itself with a cache of 512, by one thread. A round takes elements in bursts until 512 or 8192 are
// kept, then gives them back in bursts.
//
//   dpdk_pool COUNT BYTES    elements, and the size of each
#include "dpdk_eal.h"

#include <rte_mempool.h>

#define CACHE 512
#define MOST 8192

static struct rte_mempool* pool;
static void* kept[MOST];

// keep_count and n are constants in each call, as they are in a program with a fixed size of bursts.
static inline __attribute__((always_inline)) double keep_some(unsigned keep_count, unsigned n, uint64_t rounds) {
  uint64_t sum = 0;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    for (unsigned at = 0; at < keep_count; at += n) sum += (uint64_t)rte_mempool_get_bulk(pool, kept + at, n);
    for (unsigned at = 0; at < keep_count; at += n) rte_mempool_put_bulk(pool, kept + at, n);
  }
  const double seconds = now() - start;
  keep(sum);
  return seconds;
}

static double keep512_1(uint64_t rounds) { return keep_some(512, 1, rounds); }
static double keep512_4(uint64_t rounds) { return keep_some(512, 4, rounds); }
static double keep512_8(uint64_t rounds) { return keep_some(512, 8, rounds); }
static double keep512_16(uint64_t rounds) { return keep_some(512, 16, rounds); }
static double keep512_32(uint64_t rounds) { return keep_some(512, 32, rounds); }
static double keep512_64(uint64_t rounds) { return keep_some(512, 64, rounds); }
static double keep8192_32(uint64_t rounds) { return keep_some(8192, 32, rounds); }

// A round takes a burst of 32, reads the address of each element, and gives the burst back.
static double look_32(uint64_t rounds) {
  uint64_t sum = 0;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    if (rte_mempool_get_bulk(pool, kept, 32) != 0) continue;
    for (unsigned at = 0; at < 32; at++) sum += (uint64_t)(uintptr_t)kept[at];
    rte_mempool_put_bulk(pool, kept, 32);
  }
  const double seconds = now() - start;
  keep(sum);
  return seconds;
}

int main(int argc, char** argv) {
  const unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 16384;
  const unsigned bytes = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 2048;
  start_eal();
  pool = rte_mempool_create("pool", count, bytes, CACHE, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0);
  if (pool == NULL) {
    errno = rte_errno;
    give_up("rte_mempool_create");
  }
  const struct workload workloads[] = {
      {"keep512_1", keep512_1},   {"keep512_4", keep512_4},   {"keep512_8", keep512_8},     {"keep512_16", keep512_16},
      {"keep512_32", keep512_32}, {"keep512_64", keep512_64}, {"keep8192_32", keep8192_32}, {"look_32", look_32}};
  return serve(workloads, sizeof workloads / sizeof *workloads);
}
