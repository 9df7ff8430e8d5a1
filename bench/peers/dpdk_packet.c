// rte_mbuf of DPDK itself, by one thread. A round allocates packets until 512 or 32 are kept, then frees them.
//
//   dpdk_packet COUNT BYTES    packets, and the size of each packet's buffer with its headroom
#include "dpdk_eal.h"

#include <rte_mbuf.h>

#define CACHE 512
#define KEPT 512
#define BURST 32

static struct rte_mempool* pool;
static struct rte_mbuf* kept[KEPT];

static double keep_single(uint64_t rounds) {
  uint64_t sum = 0;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    for (unsigned at = 0; at < KEPT; at++) kept[at] = rte_pktmbuf_alloc(pool);
    sum += (uint64_t)(uintptr_t)kept[KEPT - 1];
    for (unsigned at = 0; at < KEPT; at++) rte_pktmbuf_free(kept[at]);
  }
  const double seconds = now() - start;
  keep(sum);
  return seconds;
}

static double burst_single(uint64_t rounds) {
  uint64_t sum = 0;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    for (unsigned at = 0; at < BURST; at++) kept[at] = rte_pktmbuf_alloc(pool);
    sum += (uint64_t)(uintptr_t)kept[BURST - 1];
    for (unsigned at = 0; at < BURST; at++) rte_pktmbuf_free(kept[at]);
  }
  const double seconds = now() - start;
  keep(sum);
  return seconds;
}

static double keep_bulk(uint64_t rounds) {
  uint64_t sum = 0;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    for (unsigned at = 0; at < KEPT; at += BURST) sum += (uint64_t)rte_pktmbuf_alloc_bulk(pool, kept + at, BURST);
    for (unsigned at = 0; at < KEPT; at += BURST) rte_pktmbuf_free_bulk(kept + at, BURST);
  }
  const double seconds = now() - start;
  keep(sum);
  return seconds;
}

static double burst_bulk(uint64_t rounds) {
  uint64_t sum = 0;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    sum += (uint64_t)rte_pktmbuf_alloc_bulk(pool, kept, BURST);
    rte_pktmbuf_free_bulk(kept, BURST);
  }
  const double seconds = now() - start;
  keep(sum);
  return seconds;
}

int main(int argc, char** argv) {
  const unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 16384;
  const unsigned bytes = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : RTE_MBUF_DEFAULT_BUF_SIZE;
  start_eal();
  pool = rte_pktmbuf_pool_create("packets", count, CACHE, 0, (uint16_t)bytes, SOCKET_ID_ANY);
  if (pool == NULL) {
    errno = rte_errno;
    give_up("rte_pktmbuf_pool_create");
  }
  const struct workload workloads[] = {{"keep_single", keep_single},
                                       {"burst_single", burst_single},
                                       {"keep_bulk", keep_bulk},
                                       {"burst_bulk", burst_bulk}};
  return serve(workloads, sizeof workloads / sizeof *workloads);
}
