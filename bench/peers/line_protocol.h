// How a peer is driven: it reads lines "run NAME ROUNDS" on stdin and answers each on stdout with "ok SECONDS", the
// time of that many rounds by its own clock, or "failed WHY". So the harness takes a sample of ours, a sample of the
// peer's, a sample of ours, in one run on one machine in one mood, and neither pays for the pipe.
// The first line that a peer writes is "ready", when its memory is mapped and warm.
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
  // Seconds that the rounds took; what is not the workload's own (an munmap after a timed mmap) is left out.
  double (*run)(uint64_t rounds);
};

static inline double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// Ends a peer that cannot do its work: the harness shows the line as the reason why a row was not measured.
__attribute__((noreturn)) static inline void give_up(const char* call) {
  printf("failed %s: %s\n", call, strerror(errno));
  fflush(stdout);
  exit(1);
}

// A result that the compiler must believe to be used.
static inline void keep(uint64_t value) { __asm__ volatile("" : : "r"(value) : "memory"); }

// xorshift64*: the next of a fixed sequence of well-mixed numbers (Vigna, "An experimental exploration of Marsaglia's
// xorshift generators, scrambled", 2016).
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
