// The floor of a transfer inside a process: memcpy(3) from one place of a populated mapping to another.
//
//   memcpy BYTES SPAN      populates two stretches of SPAN bytes
//
// A round of each workload is one copy of BYTES. 'same' always copies between the same two places, which the caches
// hold. 'through' copies from each place of a stretch in turn, which the caches do not hold.
#define _GNU_SOURCE
#include <sys/mman.h>
#include "line_protocol.h"

static size_t bytes;
static char* from;
static char* to;

static size_t span;

static double same(uint64_t rounds) {
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    memcpy(to, from, bytes);
    keep((uint64_t)to);
  }
  return now() - start;
}

static double through(uint64_t rounds) {
  static size_t place;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    memcpy(to + place, from + place, bytes);
    keep((uint64_t)to);
    place = (place + bytes) % span;
  }
  return now() - start;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    errno = EINVAL;
    give_up("expected two arguments");
  }
  bytes = strtoull(argv[1], NULL, 10);
  span = strtoull(argv[2], NULL, 10);
  from = mmap(NULL, 2 * span, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (from == MAP_FAILED) give_up("mmap");
  to = from + span;
  const struct workload workloads[] = {{"same", same}, {"through", through}};
  return serve(workloads, 2);
}
