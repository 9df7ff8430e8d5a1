// What Debian's libstdc++.a uses of glibc, and musl lacks. .ci/musl/libstdcxx links this file.
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

// False: the process has threads, so libstdc++ may not leave out its atomic operations.
char __libc_single_threaded = 0;

uint32_t arc4random(void) {
  uint32_t value;
  if (getrandom(&value, sizeof value, 0) != sizeof value) abort();
  return value;
}
