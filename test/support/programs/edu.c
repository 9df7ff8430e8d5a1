// Drives QEMU's edu device (docs/specs/edu.rst): a PCI device with 4 KiB of memory and an engine that copies between
// this and physical memory. The device knows no virtual addresses, so a correct copy proves that an address is
// physical.
//
//   edu FROM TO LENGTH     copies up to 4088 bytes from physical address FROM into the device, and from there to TO
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define IDENTITY 0x00
#define SOURCE 0x80
#define DESTINATION 0x88
#define COUNT 0x90
#define COMMAND 0x98
#define START 1
#define FROM_DEVICE 2
#define OWN_MEMORY 0x40000
#define BUS_MASTER 0x6 /* memory space and bus master, of the PCI command register at 4 */

static void give_up(const char* what) {
  fprintf(stderr, "edu: %s: %s\n", what, strerror(errno));
  exit(1);
}

static char* find_device(void) {
  static char path[256];
  glob_t found;
  if (glob("/sys/bus/pci/devices/*", 0, NULL, &found) != 0) give_up("no PCI devices");
  for (size_t i = 0; i < found.gl_pathc; i++) {
    char vendor[16] = "";
    char device[16] = "";
    snprintf(path, sizeof path, "%s/vendor", found.gl_pathv[i]);
    FILE* file = fopen(path, "r");
    if (file == NULL || fgets(vendor, sizeof vendor, file) == NULL) continue;
    fclose(file);
    snprintf(path, sizeof path, "%s/device", found.gl_pathv[i]);
    file = fopen(path, "r");
    if (file == NULL || fgets(device, sizeof device, file) == NULL) continue;
    fclose(file);
    if (strtoul(vendor, NULL, 16) != 0x1234 || strtoul(device, NULL, 16) != 0x11e8) continue;
    snprintf(path, sizeof path, "%s", found.gl_pathv[i]);
    return path;
  }
  errno = ENODEV;
  give_up("no edu device");
  return NULL;
}

static int open_in(const char* folder, const char* name) {
  char path[300];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  const int fd = open(path, O_RDWR | O_SYNC);
  if (fd < 0) give_up(path);
  return fd;
}

static volatile uint8_t* registers;

static void copy(uint64_t from, uint64_t to, uint64_t length, uint64_t direction) {
  *(volatile uint64_t*)(registers + SOURCE) = from;
  *(volatile uint64_t*)(registers + DESTINATION) = to;
  *(volatile uint64_t*)(registers + COUNT) = length;
  *(volatile uint64_t*)(registers + COMMAND) = START | direction;
  while (*(volatile uint64_t*)(registers + COMMAND) & START) usleep(1000);
}

int main(int argc, char** argv) {
  if (argc != 4) {
    errno = EINVAL;
    give_up("three arguments wanted");
  }
  const char* device = find_device();
  const int enable = open_in(device, "enable");
  if (write(enable, "1", 1) != 1) give_up("enable");
  const int config = open_in(device, "config");
  uint16_t command = 0;
  if (pread(config, &command, sizeof command, 4) != sizeof command) give_up("read of the command register");
  command |= BUS_MASTER;
  if (pwrite(config, &command, sizeof command, 4) != sizeof command) give_up("write of the command register");
  registers = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, open_in(device, "resource0"), 0);
  if (registers == MAP_FAILED) give_up("mmap of the registers");
  if ((*(volatile uint32_t*)(registers + IDENTITY) & 0xffff) != 0x00ed) {
    errno = ENODEV;
    give_up("it does not say that it is an edu device");
  }
  const uint64_t length = strtoull(argv[3], NULL, 0);
  copy(strtoull(argv[1], NULL, 0), OWN_MEMORY, length, 0);
  copy(OWN_MEMORY, strtoull(argv[2], NULL, 0), length, FROM_DEVICE);
  return 0;
}
