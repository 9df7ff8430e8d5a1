// Loads, stores and copies in memory that other threads use at the same time.
//
// The module is compiled twice. On x86-64, plain loads and stores have the order that the protocols need: the processor
// keeps stores in order, and loads too. `ordered()` keeps the compiler from moving an access across it; V8 moves none.
// Everywhere else, SEQUENTIAL chooses sequentially consistent loads and stores (src/threads/publication.ts chooses for
// the code in TypeScript in the same way).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(name)))

static inline void ordered(void) { __asm__ volatile("" ::: "memory"); }

// A: sees everything that the thread did before the R that it sees.
static inline uint32_t load_acquire(const uint32_t* word) {
#ifdef SEQUENTIAL
  return __atomic_load_n(word, __ATOMIC_SEQ_CST);
#else
  const uint32_t value = *(const volatile uint32_t*)word;
  ordered();
  return value;
#endif
}

// R: a thread that sees `value` sees everything that this thread did before.
static inline void store_release(uint32_t* word, uint32_t value) {
#ifdef SEQUENTIAL
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
#else
  ordered();
  *(volatile uint32_t*)word = value;
#endif
}

// A compare-exchange is sequentially consistent in both builds.
static inline bool compare_exchange(uint32_t* word, uint32_t expected, uint32_t value) {
  return __atomic_compare_exchange_n(word, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

// Copies `count` words. The ranges do not overlap. (memory.copy would be a call of a C function for each copy.)
//
// A block is loaded as a whole before it is stored: the processor delays a load whose address has the same low 12 bits
// as a store shortly before it, and the ranges may lie anywhere.
static inline void copy_words(uint32_t* to, const uint32_t* from, uint32_t count) {
  uint32_t i = 0;

  for (; count - i >= 32; i += 32) {
    const v128_t a = wasm_v128_load(from + i), b = wasm_v128_load(from + i + 4);
    const v128_t c = wasm_v128_load(from + i + 8), d = wasm_v128_load(from + i + 12);
    const v128_t e = wasm_v128_load(from + i + 16), f = wasm_v128_load(from + i + 20);
    const v128_t g = wasm_v128_load(from + i + 24), h = wasm_v128_load(from + i + 28);
    wasm_v128_store(to + i, a);
    wasm_v128_store(to + i + 4, b);
    wasm_v128_store(to + i + 8, c);
    wasm_v128_store(to + i + 12, d);
    wasm_v128_store(to + i + 16, e);
    wasm_v128_store(to + i + 20, f);
    wasm_v128_store(to + i + 24, g);
    wasm_v128_store(to + i + 28, h);
  }
  for (; count - i >= 8; i += 8) {
    const v128_t a = wasm_v128_load(from + i), b = wasm_v128_load(from + i + 4);
    wasm_v128_store(to + i, a);
    wasm_v128_store(to + i + 4, b);
  }
  if (count - i >= 4) {
    wasm_v128_store(to + i, wasm_v128_load(from + i));
    i += 4;
  }
#pragma clang loop vectorize(disable) unroll(disable)
  for (; i < count; i++) to[i] = from[i];
}
