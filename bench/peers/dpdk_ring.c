// rte_ring of DPDK itself, with elements of four bytes. One thread enqueues values and dequeues them again. A round is
// n values in and out.
//
//   dpdk_ring COUNT [FIRST SECOND]    slots of each ring; the processors of the two threads of the last workloads
#include "dpdk_eal.h"

#include <pthread.h>
#include <rte_pause.h>
#include <rte_ring_elem.h>
#include <stdatomic.h>

#define MOST 64

static struct rte_ring* single;
static struct rte_ring* shared;
// The same, with odd positions.
static struct rte_ring* single_odd;
static struct rte_ring* shared_odd;
static uint32_t in[2][MOST];
static uint32_t out[2][MOST];

enum call { BULK, BURST };

// All arguments but the ring and the rounds are constants in each call, as they are in a program with a fixed size of
// bursts.
static inline __attribute__((always_inline)) double pass(struct rte_ring* ring, unsigned n, enum call call,
                                                         unsigned arrays, uint64_t rounds) {
  uint64_t sum = 0;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    uint32_t* from = in[i % arrays];
    uint32_t* to = out[i % arrays];
    from[0] = (uint32_t)i;
    if (call == BULK) {
      sum += rte_ring_enqueue_bulk_elem(ring, from, sizeof *from, n, NULL);
      sum += rte_ring_dequeue_bulk_elem(ring, to, sizeof *to, n, NULL);
    } else {
      sum += rte_ring_enqueue_burst_elem(ring, from, sizeof *from, n, NULL);
      sum += rte_ring_dequeue_burst_elem(ring, to, sizeof *to, n, NULL);
    }
    sum += to[0];
  }
  const double seconds = now() - start;
  keep(sum);
  return seconds;
}

#define DEFINE_BULK(ring, n) \
  static double ring##_##n(uint64_t rounds) { return pass(ring, n, BULK, 1, rounds); }
#define DEFINE_BURST(ring, n) \
  static double ring##_burst_##n(uint64_t rounds) { return pass(ring, n, BURST, 1, rounds); }
#define DEFINE_ODD(ring, n) \
  static double ring##_odd_##n(uint64_t rounds) { return pass(ring##_odd, n, BULK, 1, rounds); }
#define DEFINE_TWO(ring, n) \
  static double ring##_two_##n(uint64_t rounds) { return pass(ring, n, BULK, 2, rounds); }
#define NAME_BULK(ring, n) {#ring "_" #n, ring##_##n},
#define NAME_BURST(ring, n) {#ring "_burst_" #n, ring##_burst_##n},
#define NAME_ODD(ring, n) {#ring "_odd_" #n, ring##_odd_##n},
#define NAME_TWO(ring, n) {#ring "_two_" #n, ring##_two_##n},

#define EACH_SIZE(DO, ring) DO(ring, 1) DO(ring, 4) DO(ring, 8) DO(ring, 16) DO(ring, 32) DO(ring, 64)
// The rows of bench/workloads/ring.ts.
#define EACH_ROW(DO)                                                                                     \
  EACH_SIZE(DO##_BULK, single)                                                                           \
  EACH_SIZE(DO##_BURST, single)                                                                          \
  DO##_ODD(single, 4) DO##_ODD(single, 8) DO##_ODD(single, 16) DO##_ODD(single, 32) DO##_ODD(single, 64) \
      DO##_TWO(single, 4) DO##_TWO(single, 32) EACH_SIZE(DO##_BULK, shared) DO##_BURST(shared, 8)        \
          DO##_BURST(shared, 32) DO##_ODD(shared, 32) DO##_TWO(shared, 32)

EACH_ROW(DEFINE)

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

static inline __attribute__((always_inline)) void enqueue(struct rte_ring* ring, uint32_t* values, unsigned n) {
  while (rte_ring_enqueue_bulk_elem(ring, values, sizeof *values, n, NULL) == 0) rte_pause();
}

static inline __attribute__((always_inline)) void dequeue(struct rte_ring* ring, uint32_t* values, unsigned n) {
  while (rte_ring_dequeue_bulk_elem(ring, values, sizeof *values, n, NULL) == 0) rte_pause();
}

// What a thread does: PRODUCE and CONSUME pass values one way, and BOTH does each in turn.
enum role { PRODUCE, CONSUME, BOTH };

static inline __attribute__((always_inline)) double act(struct rte_ring* ring, unsigned n, enum role role,
                                                        int processor) {
  uint32_t values[MOST];
  uint64_t sum = 0;
  for (uint32_t i = 0; i < MOST; i++) values[i] = i;
  pin(processor);
  start_together();
  const double start = now();
  for (uint64_t i = 0; i < bursts; i++) {
    values[0] = (uint32_t)i;
    if (role != CONSUME) enqueue(ring, values, n);
    if (role != PRODUCE) dequeue(ring, values, n);
    sum += values[0];
  }
  keep(sum);
  return now() - start;
}

// Starts a thread that acts, and acts in this one. Returns the seconds of this one.
static double between(void* (*other)(void*), double (*self)(void)) {
  pthread_t thread;
  atomic_store(&ready, 0);
  if (pthread_create(&thread, NULL, other, NULL) != 0) give_up("pthread_create");
  const double seconds = self();
  pthread_join(thread, NULL);
  return seconds;
}

#define DEFINE_BETWEEN(name, ring, n, first, second)                              \
  static void* name##_other(void* nothing) {                                      \
    (void)nothing;                                                                \
    (void)act(ring, n, first, processors[0]);                                     \
    return NULL;                                                                  \
  }                                                                               \
  static double name##_self(void) { return act(ring, n, second, processors[1]); } \
  static double name(uint64_t rounds) {                                           \
    bursts = rounds;                                                              \
    return between(name##_other, name##_self);                                    \
  }

// A round is n values from one thread to another, or n values into the ring and out of it by each.
DEFINE_BETWEEN(between_32, single, 32, PRODUCE, CONSUME)
DEFINE_BETWEEN(between_shared_8, shared, 8, PRODUCE, CONSUME)
DEFINE_BETWEEN(between_shared_32, shared, 32, PRODUCE, CONSUME)
DEFINE_BETWEEN(both_shared_32, shared, 32, BOTH, BOTH)

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
  single_odd = create("single_odd", count, RING_F_SP_ENQ | RING_F_SC_DEQ);
  shared_odd = create("shared_odd", count, 0);
  for (uint32_t i = 0; i < MOST; i++) in[0][i] = in[1][i] = i;
  pass(single_odd, 1, BULK, 1, 1);
  pass(shared_odd, 1, BULK, 1, 1);
  const struct workload workloads[] = {EACH_ROW(NAME){"between_32", between_32},
                                       {"between_shared_8", between_shared_8},
                                       {"between_shared_32", between_shared_32},
                                       {"both_shared_32", both_shared_32}};
  return serve(workloads, sizeof workloads / sizeof *workloads);
}
