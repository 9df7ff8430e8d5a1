// The floor of a transfer inside of a process: memcpy(3) from one place of a populated mapping to another.
//
//   memcpy BYTES      workload 'copy': a round is one copy of so many bytes, always between the same two places
#define _GNU_SOURCE
#include <sys/mman.h>
#include "line_protocol.h"

static size_t bytes;
static char* from;
static char* to;

static double copy(uint64_t rounds) {
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) {
    memcpy(to, from, bytes);
    keep((uint64_t)to);
  }
  return now() - start;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    errno = EINVAL;
    give_up("one argument wanted");
  }
  bytes = strtoull(argv[1], NULL, 10);
  const size_t apart = (size_t)1 << 21;
  from = mmap(NULL, 2 * apart, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (from == MAP_FAILED) give_up("mmap");
  to = from + apart;
  const struct workload workloads[] = {{"copy", copy}};
  return serve(workloads, 1);
}
