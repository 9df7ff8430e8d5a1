// The fast path of bursts of packets: the records of a burst are written or checked (src/packet/layout.ts).
//
// It serves packets as nearly all are: one holder, one segment, their own buffer. All others, and all errors, are left
// to src/packet/references.ts. `numbers` is the place in this thread's magazine that src/pool/buffer-pool.ts has taken
// the packets' numbers from, or has made room in for them.
//
// `capacity` is an argument, since memory that is shared may contain anything: each number is compared with it before
// its record is used.
#include "memory.h"

// The words of a record that this code uses.
struct record {
  uint64_t counts;  // in the low half of holders, in the high half of segments
  uint32_t start;
  uint32_t length;
  uint32_t unused[4];
};

// One holder and one segment.
static const uint64_t usual = 0x100000001;

// Undoes the first `count` steps of a call. Another thread may have written over the numbers meanwhile.
static void undo(struct record* records, uint32_t capacity, const uint32_t* numbers, uint32_t count, uint64_t counts) {
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t number = numbers[i];
    if (number < capacity) records[number].counts = counts;
  }
}

// Whether all four numbers are packets'.
static inline bool are_packets(v128_t numbers, uint32_t capacity) {
  return wasm_i32x4_all_true(wasm_u32x4_lt(numbers, wasm_u32x4_splat(capacity)));
}

// Makes packets of the `count` elements whose numbers stand in the magazine, and copies the numbers. False if one is no
// packet's number; nothing has happened then.
EXPORT("allocatePackets")
bool allocate_packets(struct record* records, uint32_t capacity, uint32_t headroom, const uint32_t* numbers,
                      uint32_t* values, uint32_t count) {
  const v128_t made = wasm_u32x4_make(1, 1, headroom, 0);
  uint32_t done = 0;

  for (; count - done >= 4; done += 4) {
    const v128_t four = wasm_v128_load(numbers + done);
    if (!are_packets(four, capacity)) break;
    wasm_v128_store(values + done, four);
    wasm_v128_store(records + wasm_u32x4_extract_lane(four, 0), made);
    wasm_v128_store(records + wasm_u32x4_extract_lane(four, 1), made);
    wasm_v128_store(records + wasm_u32x4_extract_lane(four, 2), made);
    wasm_v128_store(records + wasm_u32x4_extract_lane(four, 3), made);
  }
  for (; done < count; done++) {
    const uint32_t number = numbers[done];
    if (number >= capacity) {
      undo(records, capacity, numbers, done, 0);
      return false;
    }
    wasm_v128_store(records + number, made);
    values[done] = number;
  }
  return true;
}

static inline bool mark_free(struct record* record) {
  if (record->counts != usual) return false;
  record->counts = 0;
  return true;
}

// Makes elements of `count` packets, and copies their numbers into the magazine. False if one of them is not as nearly
// all are, or is there twice: its record says that it is free when it comes again. Nothing has happened then.
EXPORT("freePackets")
bool free_packets(struct record* records, uint32_t capacity, uint32_t* numbers, const uint32_t* values,
                  uint32_t count) {
  uint32_t done = 0;

  while (count - done >= 4) {
    const v128_t four = wasm_v128_load(values + done);
    if (!are_packets(four, capacity)) break;
    wasm_v128_store(numbers + done, four);
    if (!mark_free(records + wasm_u32x4_extract_lane(four, 0))) break;
    done += 1;
    if (!mark_free(records + wasm_u32x4_extract_lane(four, 1))) break;
    done += 1;
    if (!mark_free(records + wasm_u32x4_extract_lane(four, 2))) break;
    done += 1;
    if (!mark_free(records + wasm_u32x4_extract_lane(four, 3))) break;
    done += 1;
  }
  for (; done < count; done++) {
    const uint32_t number = values[done];
    if (number >= capacity || !mark_free(records + number)) {
      undo(records, capacity, numbers, done, usual);
      return false;
    }
    numbers[done] = number;
  }
  return true;
}
