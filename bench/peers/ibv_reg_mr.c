// The floor of a registration: ibv_reg_mr(3) and ibv_dereg_mr(3) of a whole file on hugetlbfs. The program that is
// measured beside it registers the same file. The place of the kernel's records of the pages changes the time by some
// percent.
//
//   ibv_reg_mr DEVICE FILE
//
// Workload 'register': a round is one registration and its deregistration. One more round comes first and is not timed,
// since a process that was just woken finds its code in no cache.
#define _GNU_SOURCE
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "line_protocol.h"

static struct ibv_pd* domain;
static void* memory;
static size_t bytes;

static void register_once(void) {
  struct ibv_mr* registration = ibv_reg_mr(domain, memory, bytes, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
  if (registration == NULL) give_up("ibv_reg_mr");
  keep(registration->rkey);
  errno = ibv_dereg_mr(registration);
  if (errno != 0) give_up("ibv_dereg_mr");
}

static double register_all(uint64_t rounds) {
  register_once();
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) register_once();
  return now() - start;
}

static struct ibv_context* open_device(const char* name) {
  int count = 0;
  struct ibv_device** devices = ibv_get_device_list(&count);
  if (devices == NULL) give_up("ibv_get_device_list");
  struct ibv_context* context = NULL;
  errno = ENODEV;
  for (int i = 0; i < count; i++) {
    if (strcmp(ibv_get_device_name(devices[i]), name) == 0) context = ibv_open_device(devices[i]);
  }
  if (context == NULL) give_up("ibv_open_device");
  ibv_free_device_list(devices);
  return context;
}

static void map_file(const char* path) {
  const int descriptor = open(path, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) give_up(path);
  struct stat file;
  if (fstat(descriptor, &file) != 0) give_up("fstat");
  bytes = (size_t)file.st_size;
  memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) give_up("mmap");
  if (madvise(memory, bytes, MADV_POPULATE_WRITE) != 0) give_up("madvise");
}

int main(int argc, char** argv) {
  if (argc != 3) {
    errno = EINVAL;
    give_up("expected two arguments");
  }
  domain = ibv_alloc_pd(open_device(argv[1]));
  if (domain == NULL) give_up("ibv_alloc_pd");
  map_file(argv[2]);
  const struct workload workloads[] = {{"register", register_all}};
  return serve(workloads, 1);
}
