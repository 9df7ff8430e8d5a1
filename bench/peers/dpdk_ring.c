// rte_ring with elements of four bytes, as DPDK has it: values are enqueued in bulk and dequeued again, by one thread.
// A round is n values in and out.
//
//   dpdk_ring COUNT [FIRST SECOND]    slots of each ring; the processors of the two threads that pass values on
#include "dpdk_eal.h"

#include <pthread.h>
#include <rte_pause.h>
#include <rte_ring_elem.h>
#include <stdatomic.h>

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

static int processors[2];
static atomic_int ready;
static uint64_t bursts;

static void pin(int processor) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) give_up("sched_setaffinity");
}

static void start_together(void) {
  atomic_fetch_add(&ready, 1);
  while (atomic_load(&ready) < 2) rte_pause();
}

static void* produce(void* nothing) {
  (void)nothing;
  pin(processors[0]);
  uint32_t values[MOST];
  for (uint32_t i = 0; i < MOST; i++) values[i] = i;
  start_together();
  for (uint64_t i = 0; i < bursts; i++) {
    values[0] = (uint32_t)i;
    while (rte_ring_enqueue_bulk_elem(single, values, sizeof *values, MOST, NULL) == 0) rte_pause();
  }
  return NULL;
}

static void* consume(void* seconds) {
  pin(processors[1]);
  uint32_t values[MOST];
  uint64_t sum = 0;
  start_together();
  const double start = now();
  for (uint64_t i = 0; i < bursts; i++) {
    while (rte_ring_dequeue_bulk_elem(single, values, sizeof *values, MOST, NULL) == 0) rte_pause();
    sum += values[0];
  }
  *(double*)seconds = now() - start;
  keep(sum);
  return NULL;
}

// A round is 32 values from one thread to another.
static double between_32(uint64_t rounds) {
  double seconds = 0;
  pthread_t threads[2];
  bursts = rounds;
  atomic_store(&ready, 0);
  if (pthread_create(&threads[0], NULL, produce, NULL) != 0) give_up("pthread_create");
  if (pthread_create(&threads[1], NULL, consume, &seconds) != 0) give_up("pthread_create");
  pthread_join(threads[0], NULL);
  pthread_join(threads[1], NULL);
  return seconds;
}

static struct rte_ring* create(const char* name, unsigned count, unsigned flags) {
  struct rte_ring* ring = rte_ring_create_elem(name, sizeof(uint32_t), count, SOCKET_ID_ANY, flags);
  if (ring != NULL) return ring;
  errno = rte_errno;
  give_up("rte_ring_create_elem");
}

int main(int argc, char** argv) {
  const unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1024;
  processors[0] = argc > 2 ? atoi(argv[2]) : 0;
  processors[1] = argc > 3 ? atoi(argv[3]) : 1;
  start_eal();
  single = create("single", count, RING_F_SP_ENQ | RING_F_SC_DEQ);
  shared = create("shared", count, 0);
  for (uint32_t i = 0; i < MOST; i++) in[i] = i;
  const struct workload workloads[] = {{"single_1", single_1},    {"single_8", single_8}, {"single_32", single_32},
                                       {"shared_1", shared_1},    {"shared_8", shared_8}, {"shared_32", shared_32},
                                       {"between_32", between_32}};
  return serve(workloads, sizeof workloads / sizeof *workloads);
}
