/*
 * Three threads, the memory that they share, and their deaths: the part that the models of this folder have in common.
 *
 * Stores. Each thread has a store buffer. A store enters the buffer first and reaches the memory later, at any moment.
 * A load sees the youngest store to the same word in the buffer of its own thread, or else the memory. A
 * compare-exchange waits until the buffer of its thread is empty, and then changes the memory at once. There are two
 * memory models:
 *
 *     TSO, the default  x86-64. Stores reach the memory in the order of the program, also those of `publish`
 *     WEAK              other processors, such as arm64. Plain stores reach the memory in any order, except that two
 *                       stores to the same word keep theirs. A store by `publish` (Atomics.store there) reaches the
 *                       memory after all stores before it in the program. Plain stores after it may overtake it
 *
 * Deaths. A thread may die at each of its steps. The stores that it has made still reach the memory, and only then can
 * the other threads see its death (src/threads/owner-word.ts says why). DEATH_BEFORE_STORES removes this order.
 *
 * Steps. A d_step is one step of a thread: an access to shared memory, and what the thread does alone before and after
 * it. Loads of words that no other thread may write at that time are in the same step as the store that follows them.
 *
 * A model defines these before it includes this file: WORDS, the words of memory; DEPTH, the stores that a buffer
 * holds, 2 or 3; DEATHS, how many threads may die. It also defines `abandon`, which clears the variables of a thread
 * that dies. A thread is a process with the parameter `me`, 0 to 2, and with a label `dead` at its end.
 */

#define THREADS 3

byte words[WORDS];

/* The thread is dead; or it lives, and makes no call any more. */
bool isKilled[THREADS];
bool isFinished[THREADS];

/* The oldest store is at place 0. Word 0 means that there is no store, so no model uses word 0. */
typedef Buffer {
  byte count;
  byte word[DEPTH];
  byte value[DEPTH];
#ifdef WEAK
  bool isPublishing[DEPTH];
#endif
};
Buffer buffer[THREADS];

#define isDrained(thread) (buffer[thread].count == 0)
#define hasRoom (buffer[me].count < DEPTH)

/* What a load of this thread sees. */
#if DEPTH == 3
#define load(at) youngest(2, at, youngest(1, at, youngest(0, at, words[at])))
#else
#define load(at) youngest(1, at, youngest(0, at, words[at]))
#endif
#define youngest(place, at, older) (buffer[me].word[place] == (at) -> buffer[me].value[place] : (older))

/* Both need room in the buffer: `hasRoom` is the condition of a step that stores. */
#define store(at, new) \
  buffer[me].value[buffer[me].count] = new; \
  buffer[me].word[buffer[me].count] = at; \
  buffer[me].count++
#ifdef WEAK
#define publish(at, new) \
  buffer[me].isPublishing[buffer[me].count] = true; \
  store(at, new)
#else
#define publish store
#endif

/* The first statement of a step: a compare-exchange that finds what it expects. */
#define exchanges(at, found, new) isDrained(me) && words[at] == (found) -> words[at] = new

/* Scratch variables of d_steps. They are not part of the state. */
hidden byte i;
hidden byte j;
hidden byte k;

/* The store at `place` of the buffer reaches the memory. */
inline drain(thread, place) {
  words[buffer[thread].word[place]] = buffer[thread].value[place];
  buffer[thread].count--;
  i = place;
  do
  :: i < DEPTH - 1 ->
    buffer[thread].word[i] = buffer[thread].word[i + 1];
    buffer[thread].value[i] = buffer[thread].value[i + 1];
#ifdef WEAK
    buffer[thread].isPublishing[i] = buffer[thread].isPublishing[i + 1];
#endif
    i++
  :: else -> break
  od;
#ifdef WEAK
  buffer[thread].isPublishing[DEPTH - 1] = false;
#endif
  buffer[thread].word[DEPTH - 1] = 0;
  buffer[thread].value[DEPTH - 1] = 0
}

/* A model may say when no other thread can tell whether this thread's stores have reached the memory. */
#ifndef isWatched
#define isWatched(thread) true
#endif
#define isPlain(thread, place) (buffer[thread].count > place && !buffer[thread].isPublishing[place])
#define isOther(thread, place, older) (buffer[thread].word[place] != buffer[thread].word[older])

active proctype memory() {
end:
  do
  :: d_step { !isDrained(0) && isWatched(0) -> drain(0, 0) }
  :: d_step { !isDrained(1) && isWatched(1) -> drain(1, 0) }
  :: d_step { !isDrained(2) && isWatched(2) -> drain(2, 0) }
#ifdef WEAK
  :: d_step { isPlain(0, 1) && isOther(0, 1, 0) && isWatched(0) -> drain(0, 1) }
  :: d_step { isPlain(1, 1) && isOther(1, 1, 0) && isWatched(1) -> drain(1, 1) }
  :: d_step { isPlain(2, 1) && isOther(2, 1, 0) && isWatched(2) -> drain(2, 1) }
#if DEPTH == 3
  :: d_step { isPlain(0, 2) && isOther(0, 2, 0) && isOther(0, 2, 1) && isWatched(0) -> drain(0, 2) }
  :: d_step { isPlain(1, 2) && isOther(1, 2, 0) && isOther(1, 2, 1) && isWatched(1) -> drain(1, 2) }
  :: d_step { isPlain(2, 2) && isOther(2, 2, 0) && isOther(2, 2, 1) && isWatched(2) -> drain(2, 2) }
#endif
#endif
  od
}

#ifdef DEATH_BEFORE_STORES
#define isDead(thread) isKilled[thread]
#else
#define isDead(thread) (isKilled[thread] && isDrained(thread))
#endif
#define isGone(thread) ((isFinished[thread] || isKilled[thread]) && isDrained(thread))

/* The condition holds for each of the other threads. */
#define forOthers(condition) ((me == 0 || condition(0)) && (me == 1 || condition(1)) && (me == 2 || condition(2)))

/* This is an alternative to each step of a thread. */
#define dies d_step { isKilled[0] + isKilled[1] + isKilled[2] < DEATHS -> isKilled[me] = true; abandon() }; goto dead

#define step(...) if :: d_step { __VA_ARGS__ } :: dies fi
