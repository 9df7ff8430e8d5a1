// Holds memory in every state that pagemap knows, gives advice about the memory of another process, or owns a memfd.
//
//   memory hold KIND BYTES                        maps BYTES, 'anonymous' or 'shared', at a 2 MiB boundary, and prints
//                                                 the address; then obeys lines on stdin, each answered by 0 or an
//                                                 errno
//       write OFFSET LENGTH | read OFFSET LENGTH  touches each page
//       advise OFFSET LENGTH ADVICE               madvise(2)
//       protect OFFSET LENGTH                     write-protects by userfaultfd(2)
//   memory advise PID ADDRESS LENGTH ADVICE       process_madvise(2); prints 0 or an errno
//   memory memfd BYTES                            makes a memfd that begins with 'hello', and prints its descriptor;
//                                                 then answers each line on stdin with its first five bytes
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const size_t huge = (size_t)1 << 21;

// Returns 0 or an errno.
static int outcome(long result) { return result < 0 ? errno : 0; }

// A page that was just written may still be in another processor's batch, which MADV_PAGEOUT does not search. A
// migration from node 0 to node 0 moves nothing, and empties the batches first (mm/mempolicy.c, do_migrate_pages). A
// kernel without NUMA refuses it. The caller checks the pages anyway.
static void emptyBatches(int advice) {
  const unsigned long node0 = 1;
  if (advice == MADV_PAGEOUT) (void)syscall(SYS_migrate_pages, 0, 8 * sizeof node0 + 1, &node0, &node0);
}

static int protect(char* address, size_t length) {
  const int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
  if (fd < 0) return errno;
  struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP};
  if (ioctl(fd, UFFDIO_API, &api) != 0) return errno;
  struct uffdio_register range = {.range = {(uintptr_t)address, length}, .mode = UFFDIO_REGISTER_MODE_WP};
  if (ioctl(fd, UFFDIO_REGISTER, &range) != 0) return errno;
  struct uffdio_writeprotect write = {.range = range.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP};
  // The descriptor stays open: closing it would lift the protection.
  return outcome(ioctl(fd, UFFDIO_WRITEPROTECT, &write));
}

static int obey(char* memory, const char* order, size_t offset, size_t length, int advice) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  emptyBatches(advice);
  if (strcmp(order, "advise") == 0) return outcome(madvise(memory + offset, length, advice));
  if (strcmp(order, "protect") == 0) return protect(memory + offset, length);
  for (size_t at = offset; at < offset + length; at += page) {
    volatile char* byte = memory + at;
    if (strcmp(order, "write") == 0)
      *byte = 1;
    else
      (void)*byte;
  }
  return 0;
}

static int hold(const char* kind, size_t bytes) {
  const int flags = strcmp(kind, "shared") == 0 ? MAP_SHARED : MAP_PRIVATE;
  char* range = mmap(NULL, bytes + huge, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
  if (range == MAP_FAILED) return errno;
  char* memory = (char*)(((uintptr_t)range + huge - 1) & ~(huge - 1));
  // Without other advice, the kernel gives single pages.
  if (madvise(memory, bytes, MADV_NOHUGEPAGE) != 0) return errno;
  printf("%ju\n", (uintmax_t)(uintptr_t)memory);
  fflush(stdout);
  char order[16];
  size_t offset;
  size_t length;
  while (scanf("%15s %zu %zu", order, &offset, &length) == 3) {
    int advice = 0;
    if (strcmp(order, "advise") == 0 && scanf("%d", &advice) != 1) return EINVAL;
    printf("%d\n", obey(memory, order, offset, length, advice));
    fflush(stdout);
  }
  return 0;
}

static int advise(int pid, uintptr_t address, size_t length, int advice) {
  const int process = (int)syscall(SYS_pidfd_open, pid, 0);
  if (process < 0) return errno;
  const struct iovec range = {(void*)address, length};
  emptyBatches(advice);
  return outcome(syscall(SYS_process_madvise, process, &range, 1, advice, 0));
}

static int ownMemfd(off_t bytes) {
  const int fd = memfd_create("theirs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || ftruncate(fd, bytes) != 0 || pwrite(fd, "hello", 5, 0) != 5) return errno;
  char bytesRead[6] = "";
  for (printf("%d\n", fd); fflush(stdout) == 0 && scanf("%*s") != EOF; printf("%s\n", bytesRead)) {
    if (pread(fd, bytesRead, 5, 0) != 5) return errno;
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "memfd") == 0) return ownMemfd((off_t)strtoll(argv[2], NULL, 10));
  if (argc == 4 && strcmp(argv[1], "hold") == 0) return hold(argv[2], strtoull(argv[3], NULL, 10));
  if (argc != 6) return EINVAL;
  const int pid = (int)strtol(argv[2], NULL, 10);
  printf("%d\n", advise(pid, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), (int)strtol(argv[5], NULL, 10)));
  return 0;
}
