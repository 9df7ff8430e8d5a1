// spdk_vtophys: virtual to physical through SPDK's two-level table, one 64-bit entry for each 2 MiB of address space.
//
// This code was written for this comparison. The algorithm is the one that SPDK publishes (lib/env_dpdk/memory.c,
// spdk_mem_map_translate, and lib/env_dpdk/vtophys.c, spdk_vtophys). Address bits from 30 on are the index in the top
// table, bits 21 to 29 the index in the second. An address outside user space, a missing second table and an entry that
// was never set give the error value. The call is that of a driver for one address, without the length that would make
// SPDK look for contiguous neighbours.
//
//   spdk_vtophys PAGES    a table of so many 2 MiB pages, at scattered physical addresses
#include "line_protocol.h"

#define PAGE_SHIFT 21
#define TABLE_SHIFT 30
#define ADDRESS_BITS 47
#define PAGE_MASK ((UINT64_C(1) << PAGE_SHIFT) - 1)
#define ENTRIES (1 << (TABLE_SHIFT - PAGE_SHIFT))
#define TABLES (1 << (ADDRESS_BITS - TABLE_SHIFT))
#define NOT_FOUND UINT64_MAX

struct second_level {
  uint64_t translation[ENTRIES];
};

struct address_map {
  struct second_level* tables[TABLES];
  uint64_t default_translation;
};

static struct address_map* map;
static uint64_t base;
#define OFFSETS 4096
static uint64_t offsets[OFFSETS];

// The two functions are not inlined, as in the library, where both are exported functions of one object.
__attribute__((noinline)) static uint64_t map_translate(const struct address_map* where, uint64_t address) {
  if (__builtin_expect((address >> ADDRESS_BITS) != 0, 0)) return where->default_translation;
  const struct second_level* table = where->tables[address >> TABLE_SHIFT];
  if (__builtin_expect(table == NULL, 0)) return where->default_translation;
  return table->translation[(address >> PAGE_SHIFT) & (ENTRIES - 1)];
}

__attribute__((noinline)) static uint64_t vtophys(const void* buffer) {
  const uint64_t address = (uint64_t)buffer;
  const uint64_t page = map_translate(map, address);
  if (page == NOT_FOUND) return NOT_FOUND;
  return page + (address & PAGE_MASK);
}

static double random_offsets(uint64_t rounds) {
  uint64_t sum = 0;
  const double start = now();
  for (uint64_t i = 0; i < rounds; i++) sum += vtophys((const void*)(base + offsets[i & (OFFSETS - 1)]));
  const double seconds = now() - start;
  keep(sum);
  return seconds;
}

int main(int argc, char** argv) {
  const uint64_t pages = argc > 1 ? strtoull(argv[1], NULL, 10) : 512;
  map = calloc(1, sizeof *map);
  if (map == NULL) give_up("calloc");
  map->default_translation = NOT_FOUND;
  base = UINT64_C(0x7f0000000000);  // Linux maps memory there; nothing is read from it
  uint64_t state = 88172645463325252;
  for (uint64_t page = 0; page < pages; page++) {
    const uint64_t address = base + (page << PAGE_SHIFT);
    struct second_level** table = &map->tables[address >> TABLE_SHIFT];
    if (*table == NULL) {
      *table = malloc(sizeof **table);
      if (*table == NULL) give_up("malloc");
      for (int i = 0; i < ENTRIES; i++) (*table)->translation[i] = NOT_FOUND;
    }
    (*table)->translation[(address >> PAGE_SHIFT) & (ENTRIES - 1)] = (next_random(&state) & 0xffff) << PAGE_SHIFT;
  }
  for (int i = 0; i < OFFSETS; i++) offsets[i] = next_random(&state) % (pages << PAGE_SHIFT);
  const struct workload workloads[] = {{"random", random_offsets}};
  return serve(workloads, 1);
}
