// Starts DPDK's environment for a peer that calls DPDK itself. The environment uses one of the processors that this
// process may use, 2 MiB pages and no device, and leaves nothing in /run or on a hugetlbfs mount. Peers whose name
// begins with dpdk_ are compiled and linked with the flags of libdpdk from pkg-config (bench/peer.ts).
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE  // sched_getaffinity
#endif

#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <unistd.h>

#include "line_protocol.h"

static inline void start_eal(void) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) give_up("sched_getaffinity");
  int first = 0;
  while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &allowed)) first++;
  char processor[16];
  snprintf(processor, sizeof processor, "0@%d", first);
  char* arguments[] = {
      "peer",        "--lcores", processor, "--in-memory", "--no-pci", "--no-telemetry", "--single-file-segments",
      "--log-level", "*:error",  NULL};
  // DPDK makes a runtime folder even if it keeps everything in memory, and does not remove it. This code removes it.
  char runtime[] = "/tmp/pinfold-dpdk-XXXXXX";
  if (mkdtemp(runtime) == NULL || setenv("RUNTIME_DIRECTORY", runtime, 1) != 0) give_up("mkdtemp");
  const int started = rte_eal_init((int)(sizeof arguments / sizeof *arguments) - 1, arguments);
  static const char* const left[] = {"dpdk/rte", "dpdk", "rte", ""};
  for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
    char path[sizeof runtime + 16];
    snprintf(path, sizeof path, "%s/%s", runtime, left[i]);
    rmdir(path);
  }
  if (started < 0) {
    errno = rte_errno;
    give_up("rte_eal_init");
  }
}
