/*
 * The depot of a buffer pool: src/pool/depot.ts, src/pool/magazines.ts, src/pool/cache.ts, src/threads/owner-word.ts.
 *
 * Three threads work with a pool of magazines of two elements. Threads 0 and 1 have two magazines each, and thread 2
 * attaches in its first exchange. Each thread makes one exchange at the depot. Two threads may die at any step, so the
 * second one may die in the sweep after the death of the first.
 *
 *     SINGLES    The magazines are of one element. Each thread may also take an element out of its loaded magazine, or
 *                put one back, before or after its exchange
 *     EXCEPTION  An exception also ends an exchange of thread 0 or 1, once, at any step. The depot is left behind, or
 *                the thread's ticket stays in the owner's word. The thread makes its exchange again. One thread may die
 *
 * The labels are those of the code:
 *
 *     D0  open   acquires the lock, from 0 or from an owner that was cut off
 *     D1  close  releases the lock
 *     M1  take   owner = ticket
 *     M2  push   owner = 0
 *     M3  sweep  reads the owners, not the stacks
 *     P1  pour   isPouring = 1, after the record of the move
 *     P2  sweep  reads isPouring, then the record
 *     P3  pour   isPouring = 0, after both counts
 *
 * The proof:
 *
 *     - Two threads never own the depot at the same time, unless one of them is dead.
 *     - No magazine is given to a thread while another living thread has it.
 *     - A thread that finds the depot free finds each magazine of the depot on its stack, once, and no other magazine.
 *     - There is an empty magazine whenever a thread needs one.
 *     - In the end each element is in one magazine, or was taken by one thread, which may be dead.
 *     - No thread waits for ever.
 *
 * Each of these switches breaks one order or one rule, and the proof must fail:
 *
 *     NO_D0                a load and a store, in place of the compare-exchange
 *     LIVING_OWNER         D0 replaces an owner that lives
 *     D1_BEFORE_M1         the depot is released before the magazine's owner is written
 *     D1_PLAIN             a plain store, with WEAK
 *     NO_M1, NO_M2         the owner of a magazine is not written
 *     NO_M3                the stacks of an owner that was cut off are used as they are
 *     P1_BEFORE_COPIES     isPouring = 1 before the elements are copied
 *     P1_BEFORE_RECORD     isPouring = 1 before the record is written
 *     NO_P2                the sweep does not finish a move
 *     P3_BEFORE_COUNTS     isPouring = 0 before the counts are written
 *     COUNT_BEFORE_NUMBER  a thread that puts an element back counts it first, with SINGLES
 *     DEATH_BEFORE_STORES  see threads.pml
 *
 * The model does not break the order of M1 and M2 and the stores beside them: a sweep reads no stack, so it finds the
 * same whichever store comes first.
 *
 * The model leaves out: patience and errors, how a thread learns of a death (participants.ts), new threads in the place
 * of dead ones, waiters, tracking, and statistics. Its pool has fewer magazines than a real one would have.
 *
 * Two rules keep the number of states small:
 *
 *     - While a thread owns the depot, no other thread reads what it stores. So its stores stay in its buffer while
 *       there is room, and then reach the memory in their order.
 *     - A thread that acquires the depot clears the words that no thread will read, and sorts the stack of empty
 *       magazines.
 */

#ifdef SINGLES
#define SIZE 1
#define ELEMENTS 3
#define MAGAZINES 9
#else
#define SIZE 2
#define ELEMENTS 4
#ifdef EXCEPTION
#define MAGAZINES 9
#else
#define MAGAZINES 8
#endif
#endif
#define NONE 255

/* The words of the depot, of its stacks, and of a magazine (src/pool/layout.ts). */
#define OWNER 1
#define FULL 2
#define EMPTY 3
#define IS_POURING 4
#define SOURCE 5
#define TARGET 6
#define SOURCE_COUNT 7
#define TARGET_COUNT 8
#define FULL_STACK 9
#define EMPTY_STACK (FULL_STACK + ELEMENTS)
#define FIRST_MAGAZINE (EMPTY_STACK + MAGAZINES)
#define ownerOf(magazine) (FIRST_MAGAZINE + (magazine) * (SIZE + 2))
#define countOf(magazine) (ownerOf(magazine) + 1)
#define entry(magazine, nth) (ownerOf(magazine) + 2 + (nth))
#define WORDS ownerOf(MAGAZINES)

/* Ghost variable: the thread owns the depot. */
bool inside[3];
#define isWatched(thread) (!inside[thread] || isKilled[thread])

#define DEPTH 2
#ifdef EXCEPTION
#define DEATHS 1
#else
#define DEATHS 2
#endif
#include "threads.pml"

#define ticket (me + 1)
#define LEFT_BEHIND 9
#define isDeadTicket(word) ((word) != 0 && (word) != LEFT_BEHIND && isDead((word) - 1))
#ifdef LIVING_OWNER
#define isTakeable(word) ((word) != 0)
#else
#define isTakeable(word) ((word) == ticket || (word) == LEFT_BEHIND || isDeadTicket(word))
#endif

/* The magazines of each thread, as it knows them. */
byte loaded[THREADS];
byte other[THREADS];
/* Ghost variable: the elements that each thread has taken, a bit for each. */
byte taken[THREADS];

#ifdef EXCEPTION
bool hasThrown;
#define throws :: d_step { !hasThrown && me < 2 -> hasThrown = true }; goto cutOff
#else
#define throws
#endif

inline makeRoom() {
  if
  :: hasRoom
  :: else -> drain(me, 0)
  fi
}

/* A step of a thread that owns the depot. It has one store. */
#define locked(...) if :: d_step { true -> makeRoom(); __VA_ARGS__ } :: dies throws fi

/* --- the proof --------------------------------------------------------------------------------------------------- */

#define isOutside(thread) (!inside[thread] || isKilled[thread])
inline enter() {
  inside[me] = true;
  assert(forOthers(isOutside))
}

#define hasNot(thread) (isKilled[thread] || (loaded[thread] != magazine && other[thread] != magazine))
inline checkUnused() {
  assert(forOthers(hasNot))
}

/* A scratch variable, as `i`. */
hidden byte onStacks;

/* Each magazine of the depot is on one stack, once, and no other magazine is. */
inline checkStacks() {
  onStacks = words[FULL] + words[EMPTY];
  i = 0;
  do
  :: i < MAGAZINES ->
    if
    :: words[ownerOf(i)] == 0 ->
      k = 0;
      j = 0;
      do
      :: j < words[FULL] ->
        if
        :: words[FULL_STACK + j] == i -> k++; assert(words[countOf(i)] > 0)
        :: else
        fi;
        j++
      :: else -> break
      od;
      j = 0;
      do
      :: j < words[EMPTY] ->
        if
        :: words[EMPTY_STACK + j] == i -> k++; assert(words[countOf(i)] == 0)
        :: else
        fi;
        j++
      :: else -> break
      od;
      assert(k == 1);
      onStacks--
    :: else
    fi;
    i++
  :: else -> break
  od;
  assert(onStacks == 0)
}

/* Each element is in one magazine, or was taken by one thread. A move that was not finished is finished first. */
inline checkElements() {
  if
  :: words[IS_POURING] == 1 ->
    words[countOf(words[SOURCE])] = words[SOURCE_COUNT];
    words[countOf(words[TARGET])] = words[TARGET_COUNT]
  :: else
  fi;
  number = 1;
  do
  :: number <= ELEMENTS ->
    k = ((taken[0] >> number) & 1) + ((taken[1] >> number) & 1) + ((taken[2] >> number) & 1);
    i = 0;
    do
    :: i < MAGAZINES ->
      j = 0;
      do
      :: j < words[countOf(i)] ->
        if
        :: words[entry(i, j)] == number -> k++
        :: else
        fi;
        j++
      :: else -> break
      od;
      i++
    :: else -> break
    od;
    assert(k == 1);
    number++
  :: else -> break
  od;
  number = 0
}

/* Clears the words that no thread will read, and sorts the stack of empty magazines. This saves states. */
inline tidy() {
  if
  :: words[IS_POURING] == 0 ->
    words[SOURCE] = 0; words[TARGET] = 0; words[SOURCE_COUNT] = 0; words[TARGET_COUNT] = 0;
    i = 0;
    do
    :: i < MAGAZINES ->
      if
      :: words[ownerOf(i)] == 0 || words[ownerOf(i)] == ticket || isDeadTicket(words[ownerOf(i)]) ->
        j = words[countOf(i)];
        do
        :: j < SIZE -> words[entry(i, j)] = 0; j++
        :: else -> break
        od
      :: else
      fi;
      i++
    :: else -> break
    od
  :: else
  fi;
  i = words[FULL];
  do
  :: i < ELEMENTS -> words[FULL_STACK + i] = 0; i++
  :: else -> break
  od;
  i = words[EMPTY];
  do
  :: i < MAGAZINES -> words[EMPTY_STACK + i] = 0; i++
  :: else -> break
  od;
  i = 1;
  do
  :: i < words[EMPTY] ->
    j = i;
    do
    :: j > 0 && words[EMPTY_STACK + j] < words[EMPTY_STACK + j - 1] ->
      k = words[EMPTY_STACK + j];
      words[EMPTY_STACK + j] = words[EMPTY_STACK + j - 1];
      words[EMPTY_STACK + j - 1] = k;
      j--
    :: else -> break
    od;
    i++
  :: else -> break
  od
}

/* --- src/pool/depot.ts ------------------------------------------------------------------------------------------- */

inline open() {
  do
#ifdef NO_D0
  :: d_step { load(OWNER) == 0 -> skip };
    step(hasRoom -> store(OWNER, ticket); enter());
    break
#else
  :: d_step { exchanges(OWNER, 0, ticket); enter(); tidy(); checkStacks() }; /* D0 */
    break
#endif
  :: d_step { isTakeable(load(OWNER)) -> found = load(OWNER) };
    if
    :: d_step {
      exchanges(OWNER, found, ticket); /* D0 */
      enter();
#ifndef NO_M3
      words[FULL] = 0; words[EMPTY] = 0;
      isSweeping = true;
#endif
      tidy();
      found = 0; areUnknown = true };
      break
    :: d_step { isDrained(me) && words[OWNER] != found -> found = 0 }
    :: dies
    fi
  :: dies
  od
}

#ifdef D1_PLAIN
#define D1 store
#else
#define D1 publish
#endif

inline close() {
  locked(D1(OWNER, 0); inside[me] = false; forgetExchange())
#ifdef D1_BEFORE_M1
  ;
  if
  :: loaded[me] != NONE ->
    step(hasRoom -> store(ownerOf(loaded[me]), ticket));
    step(hasRoom -> store(ownerOf(other[me]), ticket))
  :: else
  fi
#endif
}

inline take(depthWord, stack) {
  d_step {
    depth = load(depthWord);
    if
    :: depth > 0 -> magazine = load(stack + depth - 1)
    :: else -> magazine = NONE
    fi };
  if
  :: magazine != NONE ->
#if !defined(NO_M1) && !defined(D1_BEFORE_M1)
    locked(checkUnused(); store(ownerOf(magazine), ticket)); /* M1 */
#endif
    locked(store(depthWord, depth - 1); depth = 0)
  :: else -> depth = 0
  fi
}

inline pour(from, into) {
  d_step {
    there = load(countOf(from));
    had = load(countOf(into));
    moved = (there < SIZE - had -> there : SIZE - had) };
  if
  :: moved > 0 ->
#ifdef P1_BEFORE_COPIES
    record(from, into);
    locked(publish(IS_POURING, 1)); /* P1 */
    copy(from, into);
#else
    copy(from, into);
#ifdef P1_BEFORE_RECORD
    locked(publish(IS_POURING, 1)); /* P1 */
    record(from, into);
#else
    record(from, into);
    locked(publish(IS_POURING, 1)); /* P1 */
#endif
#endif
    there = 0; had = 0; moved = 0;
    finishPouring()
  :: else -> there = 0; had = 0; moved = 0
  fi
}

inline copy(from, into) {
  do
  :: d_step {
    done < moved -> makeRoom();
    number = load(entry(from, there - moved + done));
    store(entry(into, had + done), number);
    number = 0; done++ }
  :: done == moved -> done = 0; break
  :: dies
  throws
  od
}

inline record(from, into) {
  locked(store(SOURCE, from));
  locked(store(TARGET, into));
  locked(store(SOURCE_COUNT, there - moved));
  locked(store(TARGET_COUNT, had + moved))
}

inline finishPouring() {
#ifdef P3_BEFORE_COUNTS
  locked(publish(IS_POURING, 0)); /* P3 */
  writeCounts()
#else
  writeCounts();
  locked(publish(IS_POURING, 0)) /* P3 */
#endif
}

inline writeCounts() {
  locked(number = load(SOURCE); had = load(SOURCE_COUNT); store(countOf(number), had));
  locked(number = load(TARGET); had = load(TARGET_COUNT); store(countOf(number), had); number = 0; had = 0)
}

inline give(given) {
  d_step {
    count = load(countOf(given));
    depth = load(FULL);
    onTop = SIZE;
    if
    :: depth > 0 -> top = load(FULL_STACK + depth - 1); onTop = load(countOf(top))
    :: else
    fi };
  if
  :: count > 0 && count < SIZE && onTop < SIZE -> pour(given, top)
  :: else
  fi;
  if
  :: count == SIZE && onTop < SIZE ->
    locked(store(FULL_STACK + depth, top));
    locked(store(FULL_STACK + depth - 1, given));
    locked(store(FULL, depth + 1))
  :: else ->
    /* push */
    d_step {
      count = load(countOf(given));
      if
      :: count > 0 -> depth = load(FULL)
      :: else -> depth = load(EMPTY)
      fi };
    locked(store((count > 0 -> FULL_STACK : EMPTY_STACK) + depth, given));
    locked(store((count > 0 -> FULL : EMPTY), depth + 1))
  fi;
#ifndef NO_M2
  locked(store(ownerOf(given), 0)); /* M2 */
#endif
  count = 0; depth = 0; top = 0; onTop = 0
}

inline sweep() {
#ifndef NO_P2
  if
  :: load(IS_POURING) == 1 -> finishPouring() /* P2 */
  :: else
  fi;
#endif
  locked(store(FULL, 0));
  locked(store(EMPTY, 0));
  do
  :: d_step {
    at < MAGAZINES ->
    /* The next magazine that belongs to the depot or to a dead thread. */
    do
    :: at < MAGAZINES && load(ownerOf(at)) != 0 && !isDeadTicket(load(ownerOf(at))) -> at++ /* M3 */
    :: else -> break
    od;
    if
    :: at < MAGAZINES && load(ownerOf(at)) != 0 && load(countOf(at)) > 0 -> hasFound = true
    :: else
    fi };
    if
    :: at < MAGAZINES -> give(at); at++
    :: else
    fi
  :: at == MAGAZINES -> at = 0; break
  :: dies
  throws
  od
}

/* --- src/pool/magazines.ts --------------------------------------------------------------------------------------- */

/* Keeps `kept` of the magazines that this thread owns, and gives the others to the depot. */
inline giveOwn() {
  d_step { loaded[me] = NONE; other[me] = NONE; areUnknown = false };
  do
  :: d_step {
    at < MAGAZINES ->
    /* The next magazine to give. */
    do
    :: at < MAGAZINES && (load(ownerOf(at)) != ticket || kept > 0) ->
      if
      :: load(ownerOf(at)) == ticket && loaded[me] == NONE -> loaded[me] = at; kept--
      :: load(ownerOf(at)) == ticket && loaded[me] != NONE -> other[me] = at; kept--
      :: else
      fi;
      at++
    :: else -> break
    od;
    kept = (at < MAGAZINES -> kept : 0) };
    if
    :: at < MAGAZINES -> give(at); at++
    :: else
    fi
  :: at == MAGAZINES -> at = 0; break
  :: dies
  throws
  od
}

/* Fetches an empty magazine for each that this thread lacks. */
inline fetchEmpty() {
  do
  :: loaded[me] == NONE || other[me] == NONE ->
    take(EMPTY, EMPTY_STACK);
    assert(magazine != NONE);
    d_step {
      if
      :: loaded[me] == NONE -> loaded[me] = magazine
      :: else -> other[me] = magazine
      fi;
      magazine = 0 }
  :: else -> break
  od
}

/*
 * An exchange of magazines. The thread chooses the call once it owns the depot, since the choice makes no difference to
 * other threads before.
 *
 *     FILL     fill, of a thread that takes SIZE elements at once
 *     ROOM     empty, of a thread that puts an element back
 *     FLUSH    flush
 *     LEAVE    leave
 *     RECLAIM  reclaim
 */
mtype = { FILL, ROOM, FLUSH, LEAVE, RECLAIM };

inline chooseCall() {
  kept = 2;
  if
  :: loaded[me] == NONE || load(countOf(loaded[me])) + load(countOf(other[me])) < SIZE -> call = FILL
  :: taken[me] != 0 && (loaded[me] == NONE || load(countOf(loaded[me])) + load(countOf(other[me])) == 2 * SIZE) ->
    call = ROOM
  :: me == 0 -> call = FLUSH
  :: me == 1 -> call = LEAVE; areUnknown = true; kept = 0
  :: me == 2 -> call = RECLAIM
  fi
}

inline exchange() {
  open();
  hasExchanged = true;
  chooseCall();
  do
  :: isSweeping -> sweep(); isSweeping = false
  :: !isSweeping && areUnknown ->
    giveOwn();
    if
    :: call != LEAVE -> fetchEmpty()
    :: else
    fi
  :: !isSweeping && !areUnknown && (call == FILL || call == ROOM) ->
    if
    :: call == FILL -> source = other[me]; target = loaded[me]
    :: else -> source = loaded[me]; target = other[me]
    fi;
    pour(source, target);
    count = load(countOf(loaded[me]));
    if
    :: (call == FILL -> count == SIZE : count < SIZE) -> break
    :: else ->
      count = 0;
      if
      :: call == ROOM -> take(EMPTY, EMPTY_STACK); assert(magazine != NONE)
      :: call == FILL && (!hasSwept || hasFound) -> take(FULL, FULL_STACK)
      :: else -> magazine = NONE
      fi;
      if
      :: magazine != NONE ->
        give(other[me]);
        d_step { other[me] = loaded[me]; loaded[me] = magazine; magazine = 0; hasSwept = false; hasFound = false };
        if
        :: call == ROOM -> break
        :: else
        fi
      :: magazine == NONE && !hasSwept -> isSweeping = true; hasSwept = true; hasFound = false
      :: magazine == NONE -> break
      fi
    fi
  :: !isSweeping && !areUnknown && call == FLUSH -> areUnknown = true; kept = 0; call = 0
  :: !isSweeping && !areUnknown && call == RECLAIM -> isSweeping = true; call = 0
  :: !isSweeping && !areUnknown && (call == LEAVE || call == 0) -> break
  od;
  close()
}

/* --- src/pool/buffer-pool.ts, cache.ts --------------------------------------------------------------------------- */

/* get: the element is taken once the count is stored. */
#define get() d_step { \
  !hasUsed && !areUnknown && loaded[me] != NONE && load(countOf(loaded[me])) > 0 && hasRoom -> \
  count = load(countOf(loaded[me])) - 1; \
  number = load(entry(loaded[me], count)); \
  taken[me] = taken[me] | (1 << number); \
  store(countOf(loaded[me]), count); \
  hasUsed = true; number = 0; count = 0 }

#define mayPut (!hasUsed && !areUnknown && loaded[me] != NONE && taken[me] != 0 && load(countOf(loaded[me])) < SIZE)
inline put() {
  d_step {
    number = 1;
    do
    :: (taken[me] & (1 << number)) == 0 -> number++
    :: else -> break
    od;
    count = load(countOf(loaded[me]));
    hasUsed = true };
#ifdef COUNT_BEFORE_NUMBER
  step(hasRoom -> store(countOf(loaded[me]), count + 1); taken[me] = taken[me] & ~(1 << number));
  step(hasRoom -> store(entry(loaded[me], count), number));
#else
  step(hasRoom -> store(entry(loaded[me], count), number));
  step(hasRoom -> store(countOf(loaded[me]), count + 1); taken[me] = taken[me] & ~(1 << number));
#endif
  number = 0; count = 0
}

/* Variables that have no meaning any more become 0. This saves states. */
inline forgetExchange() {
  call = 0; isSweeping = false; hasSwept = false; hasFound = false; kept = 0;
  found = 0; at = 0; source = 0; target = 0; magazine = 0;
  count = 0; depth = 0; top = 0; onTop = 0; there = 0; had = 0; moved = 0; done = 0; number = 0
}

inline abandon() {
  forgetExchange(); areUnknown = false; hasExchanged = false; hasUsed = false;
  inside[me] = false; loaded[me] = 0; other[me] = 0
}

/* PoolCache.exchanged after an exception, if its thread owns the depot. */
inline leaveBehind() {
  if
  :: inside[me] ->
    do
    :: !isDrained(me) -> drain(me, 0)
    :: else -> break
    od;
    words[OWNER] = LEFT_BEHIND
  :: else
  fi;
  leaveTicket()
}

/* The same, if the stack does not suffice for the store of LEFT_BEHIND. */
inline leaveTicket() {
  if
  :: inside[me] ->
    inside[me] = false; hasExchanged = false;
    areUnknown = true; loaded[me] = NONE; other[me] = NONE
  :: else
  fi;
  forgetExchange()
}

proctype thread(byte me) {
  byte found, at, source, target, magazine, kept;
  byte count, depth, top, onTop, there, had, moved, done, number;
  bool isSweeping, hasSwept, hasFound, areUnknown, hasExchanged, hasUsed;
  mtype call;
  areUnknown = (me == 2);
again:
  do
  :: hasExchanged -> break
  :: !hasExchanged -> exchange()
#ifdef SINGLES
  :: get()
  :: mayPut -> put()
#endif
  od;
  step(isDrained(me) -> isFinished[me] = true; hasExchanged = false; hasUsed = false);
#ifdef EXCEPTION
  goto dead;
cutOff:
  if
  :: d_step { true -> leaveBehind() }
  :: d_step { true -> leaveTicket() }
  :: dies
  fi;
  goto again;
#endif
dead:
  skip
}

/* --- the pool at the start --------------------------------------------------------------------------------------- */

/* The element is in the magazine. */
inline free(element, where, nth) {
  words[entry(where, nth)] = element;
  words[countOf(where)] = nth + 1
}

init {
  byte number;
  d_step {
    i = 0;
    do
    :: i < 4 -> words[ownerOf(i)] = 1 + i / 2; i++
    :: else -> break
    od;
#ifdef SINGLES
    /* Thread 0 has full magazines, and has taken an element. */
    free(1, 0, 0);
    free(2, 1, 0);
    taken[0] = 1 << 3;
#else
    /* Thread 0 has a full magazine, thread 1 one that is half full, and so has the depot. */
    free(1, 0, 0);
    free(2, 0, 1);
    free(3, 2, 0);
    free(4, 4, 0);
    words[FULL_STACK] = i; words[FULL] = 1; i++;
#endif
    do
    :: i < MAGAZINES -> words[EMPTY_STACK + words[EMPTY]] = i; words[EMPTY]++; i++
    :: else -> break
    od;
    loaded[0] = 0; other[0] = 1;
    loaded[1] = 2; other[1] = 3;
    loaded[2] = NONE; other[2] = NONE
  };
  atomic { run thread(0); run thread(1); run thread(2) };
  d_step {
    isGone(0) && isGone(1) && isGone(2) ->
    if
    :: words[OWNER] == 0 -> checkStacks()
    :: else
    fi;
    checkElements()
  }
}
