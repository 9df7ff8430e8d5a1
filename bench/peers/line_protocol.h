// The protocol of a peer. It reads lines "run NAME ROUNDS" on stdin. It answers each line on stdout with "ok SECONDS",
// the time of these rounds by its own clock, or with "failed WHY". So the harness samples ours and the peer in turn, in
// one run on one machine, and the time of the pipe counts for neither of them.
// When its memory is mapped and warm, a peer writes its first line: "ready".
#pragma once

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct workload {
  const char* name;
  // Returns the seconds that the rounds took. Work beside the workload (an munmap after a timed mmap) is left out.
  double (*run)(uint64_t rounds);
};

static inline double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// Ends a peer that cannot do its work. The harness shows the line as the reason why a row was not measured.
__attribute__((noreturn)) static inline void give_up(const char* call) {
  printf("failed %s: %s\n", call, strerror(errno));
  fflush(stdout);
  exit(1);
}

// Makes the compiler treat a result as used.
static inline void keep(uint64_t value) { __asm__ volatile("" : : "r"(value) : "memory"); }

// xorshift64*: the next number of a fixed sequence of well-mixed numbers (Vigna, "An experimental exploration of
// Marsaglia's xorshift generators, scrambled", 2016).
static inline uint64_t next_random(uint64_t* state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * UINT64_C(2685821657736338717);
}

static inline int serve(const struct workload* workloads, size_t count) {
  char line[128];
  printf("ready\n");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL) {
    char name[64];
    uint64_t rounds;
    if (sscanf(line, "run %63s %" SCNu64, name, &rounds) != 2) {
      printf("failed not a request: %s", line);
      fflush(stdout);
      continue;
    }
    const struct workload* found = NULL;
    for (size_t i = 0; i < count; i++) {
      if (strcmp(workloads[i].name, name) == 0) found = &workloads[i];
    }
    if (found == NULL) {
      printf("failed no workload '%s'\n", name);
    } else {
      printf("ok %.9f\n", found->run(rounds));
    }
    fflush(stdout);
  }
  return 0;
}
