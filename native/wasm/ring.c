// The fast path of a ring: a side is acquired, values are copied, the side's index is published.
//
// The layout is that of src/ring/layout.ts, and the protocol and its labels are those of src/ring/side.ts. Code in
// TypeScript works on the same rings at the same time. Whatever this code cannot do at once, it leaves to that code by
// returning NOT_OWNED: waiting for longer, dead owners, reservations, errors.
//
// `mask` and `ticket` are arguments, since memory that is shared may contain anything. With a true mask, no content of
// the memory leads this code out of the ring: a count of values is bounded by the mask, and a slot's number is masked.
#include "memory.h"

enum { LINE_WORDS = 16, RESULT_WORD = 6 };

// One side, in a line of its own. Its owner alone changes index and limit.
struct side {
  uint32_t owner;  // 0, or the ticket of the thread that owns the side
  uint32_t index;  // values that have passed the side, modulo 2^32
  uint32_t limit;  // how far the index may go, by the last look at the other side
  uint32_t unused[LINE_WORDS - 3];
};

struct ring {
  uint32_t header[2 * LINE_WORDS];
  struct side producers;
  uint32_t between[LINE_WORDS];
  struct side consumers;
  uint32_t behind[LINE_WORDS];
  uint32_t participants[64 * LINE_WORDS];
  uint32_t slots[];
};

enum { NOT_OWNED = -1 };

// Flags of a call (src/ring/ring.ts).
enum {
  SHARED = 1,  // the side is acquired and freed by each call; else this thread keeps it
  BULK = 2,    // all or none
};

// How often a call looks at a side that another thread owns. The owner frees it within some dozen instructions, if its
// thread runs.
enum { LOOKS = 500 };

static inline bool acquire(struct side* side, uint32_t ticket, uint32_t flags) {
  if (!(flags & SHARED)) return load_acquire(&side->owner) == ticket;
  for (int looks = 0; looks < LOOKS; looks++) {
    if (load_acquire(&side->owner) == 0 && compare_exchange(&side->owner, 0, ticket))  // A1
      return true;
  }
  return false;
}

static inline void release(struct side* side, uint32_t flags) {
  if (flags & SHARED) store_release(&side->owner, 0);  // R1
}

// How many of `wanted` values can pass the side. `lead` is how far its index may be ahead of the other side's.
static inline uint32_t passing(struct side* side, const struct side* other, uint32_t lead, uint32_t wanted,
                               uint32_t flags) {
  int32_t most = (int32_t)(side->limit - side->index);

  if (most < (int64_t)wanted) {
    side->limit = load_acquire(&other->index) + lead;  // A0
    most = (int32_t)(side->limit - side->index);
  }
  if (most >= (int64_t)wanted) return wanted;
  return (flags & BULK) || most < 0 ? 0 : (uint32_t)most;
}

static inline void publish(struct side* side, uint32_t count) {
  store_release(&side->index, side->index + count);  // R0
}

static inline uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

// Enqueues `count` values, or as many as fit. Returns how many.
EXPORT("enqueue")
int32_t enqueue(struct ring* ring, uint32_t mask, uint32_t ticket, const uint32_t* values, uint32_t count,
                uint32_t flags) {
  struct side* const side = &ring->producers;

  if (!acquire(side, ticket, flags)) return NOT_OWNED;
  const uint32_t wanted = flags & BULK ? count : smaller(count, mask + 1);
  const uint32_t passed = wanted > mask + 1 ? 0 : passing(side, &ring->consumers, mask + 1, wanted, flags);
  if (passed > 0) {
    const uint32_t start = side->index & mask;
    const uint32_t first = smaller(passed, mask + 1 - start);

    copy_words(ring->slots + start, values, first);
    copy_words(ring->slots, values + first, passed - first);
    publish(side, passed);
  }
  release(side, flags);
  return (int32_t)passed;
}

// Dequeues `count` values, or as many as there are. Returns how many.
EXPORT("dequeue")
int32_t dequeue(struct ring* ring, uint32_t mask, uint32_t ticket, uint32_t* values, uint32_t count, uint32_t flags) {
  struct side* const side = &ring->consumers;

  if (!acquire(side, ticket, flags)) return NOT_OWNED;
  const uint32_t wanted = flags & BULK ? count : smaller(count, mask + 1);
  const uint32_t passed = wanted > mask + 1 ? 0 : passing(side, &ring->producers, 0, wanted, flags);
  if (passed > 0) {
    const uint32_t start = side->index & mask;
    const uint32_t first = smaller(passed, mask + 1 - start);

    copy_words(values, ring->slots + start, first);
    copy_words(values + first, ring->slots, passed - first);
    publish(side, passed);
  }
  release(side, flags);
  return (int32_t)passed;
}

// Enqueues one value on a shared side. Returns 1, 0 if the ring is full, or NOT_OWNED.
EXPORT("enqueueOne")
int32_t enqueue_one(struct ring* ring, uint32_t mask, uint32_t ticket, uint32_t value) {
  struct side* const side = &ring->producers;

  if (!acquire(side, ticket, SHARED)) return NOT_OWNED;
  const uint32_t passed = passing(side, &ring->consumers, mask + 1, 1, BULK);
  if (passed > 0) {
    ring->slots[side->index & mask] = value;
    publish(side, 1);
  }
  release(side, SHARED);
  return (int32_t)passed;
}

// A result of `dequeueOne` from here on may be no value: then the thread's line says what it is.
static const uint32_t doubtful = 0xfffffffe;
enum { A_VALUE = 0, EMPTY = 1, NOT_ACQUIRED = 2 };

static uint32_t said(struct ring* ring, uint32_t ticket, uint32_t what, uint32_t value) {
  ring->participants[((ticket - 1) & 63) * LINE_WORDS + RESULT_WORD] = what;
  return value;
}

// Dequeues one value from a shared side.
EXPORT("dequeueOne")
uint32_t dequeue_one(struct ring* ring, uint32_t mask, uint32_t ticket) {
  struct side* const side = &ring->consumers;

  if (!acquire(side, ticket, SHARED)) return said(ring, ticket, NOT_ACQUIRED, doubtful);
  const uint32_t passed = passing(side, &ring->producers, 0, 1, BULK);
  const uint32_t value = ring->slots[side->index & mask];
  if (passed > 0) publish(side, 1);
  release(side, SHARED);
  if (passed == 0) return said(ring, ticket, EMPTY, doubtful);
  return value < doubtful ? value : said(ring, ticket, A_VALUE, value);
}
