// rte_ring with elements of four bytes, as DPDK has it: values are enqueued in bulk and dequeued again, by one thread.
// A round is n values in and out.
//
//   dpdk_ring COUNT    slots of each ring
#include "dpdk_eal.h"

#include <rte_ring_elem.h>

#define MOST 32

static struct rte_ring* single;
static struct rte_ring* shared;
static uint32_t in[MOST];
static uint32_t out[MOST];

// n is a constant wherever this is called, as it is in a program that has a burst size.
static inline __attribute__((always_inline)) double pass(struct rte_ring* ring, unsigned n, uint64_t rounds) {
  uint64_t sum = 0;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    in[0] = (uint32_t)i;
    sum += rte_ring_enqueue_bulk_elem(ring, in, sizeof *in, n, NULL);
    sum += rte_ring_dequeue_bulk_elem(ring, out, sizeof *out, n, NULL);
    sum += out[0];
  }
  const double seconds = now() - start;
  keep(sum);
  return seconds;
}

static double single_1(uint64_t rounds) { return pass(single, 1, rounds); }
static double single_8(uint64_t rounds) { return pass(single, 8, rounds); }
static double single_32(uint64_t rounds) { return pass(single, 32, rounds); }
static double shared_1(uint64_t rounds) { return pass(shared, 1, rounds); }
static double shared_8(uint64_t rounds) { return pass(shared, 8, rounds); }
static double shared_32(uint64_t rounds) { return pass(shared, 32, rounds); }

static struct rte_ring* create(const char* name, unsigned count, unsigned flags) {
  struct rte_ring* ring = rte_ring_create_elem(name, sizeof(uint32_t), count, SOCKET_ID_ANY, flags);
  if (ring != NULL) return ring;
  errno = rte_errno;
  give_up("rte_ring_create_elem");
}

int main(int argc, char** argv) {
  const unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1024;
  start_eal();
  single = create("single", count, RING_F_SP_ENQ | RING_F_SC_DEQ);
  shared = create("shared", count, 0);
  for (uint32_t i = 0; i < MOST; i++) in[i] = i;
  const struct workload workloads[] = {{"single_1", single_1}, {"single_8", single_8}, {"single_32", single_32},
                                       {"shared_1", shared_1}, {"shared_8", shared_8}, {"shared_32", shared_32}};
  return serve(workloads, sizeof workloads / sizeof *workloads);
}
