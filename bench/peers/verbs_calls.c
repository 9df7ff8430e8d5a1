// The floor of a data path: requests are filled in C, posted through a table of functions, and their completions
// polled. The functions are those of a device that does nothing: each request is walked, and a signaled one makes a
// completion.
//
//   verbs_calls
//
// A round is one request, in bursts of 32. 'last' signals the last request of each burst, 'all' signals every one.
// 'one' posts and polls one request at a time.
#include <infiniband/verbs.h>
#include "line_protocol.h"

enum { kBurst = 32 };

// The functions of the table are called through these pointers, as those of libibverbs are.
static int (*post)(struct ibv_send_wr*);
static int (*poll_queue)(int most, struct ibv_wc*);

static struct ibv_wc completions[2 * kBurst];
static int completed;

static int post_nothing(struct ibv_send_wr* first) {
  for (struct ibv_send_wr* work = first; work != NULL; work = work->next) {
    uint32_t bytes = 0;
    for (int i = 0; i < work->num_sge; i++) bytes += work->sg_list[i].length;
    if ((work->send_flags & IBV_SEND_SIGNALED) == 0) continue;
    struct ibv_wc* const done = &completions[completed++];
    memset(done, 0, sizeof *done);
    done->wr_id = work->wr_id;
    done->opcode = IBV_WC_RDMA_WRITE;
    done->byte_len = bytes;
  }
  return 0;
}

static int poll_nothing(int most, struct ibv_wc* into) {
  const int taken = completed < most ? completed : most;
  memcpy(into, completions, (size_t)taken * sizeof *into);
  completed = 0;
  return taken;
}

static double bursts(uint64_t rounds, int burst, int all) {
  static struct ibv_send_wr work[kBurst];
  static struct ibv_sge entries[kBurst];
  static struct ibv_wc into[2 * kBurst];
  const double start = now();
  for (uint64_t done = 0; done < rounds; done += (uint64_t)burst) {
    for (int i = 0; i < burst; i++) {
      entries[i] = (struct ibv_sge){.addr = 0x7f0000000000 + 64 * (uint64_t)i, .length = 64, .lkey = 7};
      work[i].wr_id = (uint64_t)i;
      work[i].next = i + 1 < burst ? &work[i + 1] : NULL;
      work[i].sg_list = &entries[i];
      work[i].num_sge = 1;
      work[i].opcode = IBV_WR_RDMA_WRITE;
      work[i].send_flags = all || i + 1 == burst ? IBV_SEND_SIGNALED : 0;
      work[i].wr.rdma.remote_addr = 0x7f1000000000 + 64 * (uint64_t)i;
      work[i].wr.rdma.rkey = 9;
    }
    if (post(work) != 0) give_up("post");
    const int found = poll_queue(2 * kBurst, into);
    for (int i = 0; i < found; i++) {
      if (into[i].status != IBV_WC_SUCCESS) give_up("poll");
    }
    keep((uint64_t)found);
  }
  return now() - start;
}

static double last(uint64_t rounds) { return bursts(rounds, kBurst, 0); }
static double all(uint64_t rounds) { return bursts(rounds, kBurst, 1); }
static double one(uint64_t rounds) { return bursts(rounds, 1, 1); }

int main(void) {
  post = post_nothing;
  poll_queue = poll_nothing;
  keep((uint64_t)&post);
  keep((uint64_t)&poll_queue);
  const struct workload workloads[] = {{"last", last}, {"all", all}, {"one", one}};
  return serve(workloads, 3);
}
