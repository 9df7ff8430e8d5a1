/*
 * The two sides of a ring: src/ring/side.ts, side-ownership.ts, ring.ts; src/threads/owner-word.ts; native/wasm/ring.c.
 *
 * Three threads pass three values through a ring of two slots: two producers and a consumer, or, with ONE_PRODUCER, a
 * producer and two consumers. A call passes one value or two. A call that passes two is a reservation and its commit.
 *
 *     MANY       The side that two threads use is a side of many threads, which each call acquires and frees. The other
 *                side is a side of one thread
 *     otherwise  The side that two threads use is a side of one thread, so the second thread waits until the first has
 *                closed its ring or died. The other side is a side of many threads, used by one
 *     EXCEPTION  With MANY: an exception also ends a call, once, before R0. The next call of the same thread finds the
 *                thread's own ticket. One thread may die
 *
 * The labels are those of the code:
 *
 *     A1  the compare-exchange that acquires the owner's word, from 0 or from a dead owner
 *     A0  the load of the other side's index, before the slots are used
 *     R0  the store of this side's index, after the slots were used
 *     R1  the store that frees the owner's word, after R0
 *
 * The proof:
 *
 *     - Two threads never use a side at the same time, unless one of them is dead.
 *     - The values of each producer arrive in their order. No value is lost, and none arrives twice.
 *     - A call whose thread dies before R0 has not happened. If it dies after R0, the call has happened in full.
 *     - No thread waits for ever.
 *
 * Each of these switches breaks one order or one rule, and the proof must fail:
 *
 *     NO_A1                 a load and a store, in place of the compare-exchange
 *     LIVING_OWNER          A1 replaces an owner that lives
 *     R0_BEFORE_COPIES_IN   a producer stores its index before its values
 *     R0_BEFORE_COPIES_OUT  a consumer stores its index before it has loaded the values
 *     R1_BEFORE_R0          the owner's word is freed before the index moves
 *     R0_PLAIN, R1_PLAIN    plain stores, with WEAK
 *     A0_PLAIN              a plain load, with WEAK
 *     DEATH_BEFORE_STORES   see threads.pml
 *
 * The model leaves out: patience and errors, how a thread learns of a death (participants.ts), a commit of fewer values
 * than were reserved, indexes that wrap at 2^32, and larger rings and calls. With WEAK, a load may be too early, but no
 * load is too late: a store of the model never overtakes an earlier load of its thread.
 */

#define SLOTS 2
#define VALUES 3

/* Where the words of a side are. */
#define PRODUCERS 1
#define CONSUMERS 4
#define owner(side) (side)
#define index(side) (side + 1)
#define limit(side) (side + 2)
#define slot(position) (7 + (position) % SLOTS)
#define WORDS (7 + SLOTS)

#define DEPTH 3
#if defined(R0_BEFORE_COPIES_OUT)
#define DEATHS 0 /* The values of a thread that died between R0 and the copies would count as lost. */
#elif defined(EXCEPTION)
#define DEATHS 1
#else
#define DEATHS 3
#endif
#include "threads.pml"

#ifdef ONE_PRODUCER
#define isProducer(thread) (thread == 0)
#define isUsedByTwo(side) (side == CONSUMERS)
#define mostValues VALUES
#else
#define isProducer(thread) (thread < 2)
#define isUsedByTwo(side) (side == PRODUCERS)
#define mostValues (2 - me)
#endif
#define producersAreGone (isGone(0) && (!isProducer(1) || isGone(1)))
#define consumersAreGone (isGone(2) && (isProducer(1) || isGone(1)))

/* True for a side of many threads. */
#ifdef MANY
#define isShared(side) isUsedByTwo(side)
#else
#define isShared(side) (!isUsedByTwo(side))
#endif

/* An owner's word is 0, a ticket, or the ticket of a thread that has a reservation. */
#define ticket (me + 1)
#define RESERVED 4
#define threadOf(word) (((word) & 3) - 1)

/* A value says which producer has sent it, and which of that producer's values it is, from 0 on. */
#define value(producer, nth) ((producer) * VALUES + (nth) + 1)
#define producerOf(value) (((value) - 1) / VALUES)
#define nthOf(value) (((value) - 1) % VALUES)

/* Ghost variables: the side that a thread is using, and how many values of a producer have passed R0 of each side. */
byte inside[THREADS];
byte sent[THREADS];
byte received[THREADS];
#ifdef EXCEPTION
bool hasThrown;
#endif

/*
 * After a load or compare-exchange that acquires, no load of this thread sees an older value than the memory has now.
 * `old` is what the slots contained then. The slots are the only words that a thread loads by plain loads while another
 * thread may write to them.
 */
inline acquires(side) {
#ifdef WEAK
  if
  :: side == CONSUMERS -> old[0] = words[slot(0)]; old[1] = words[slot(1)]
  :: else
  fi;
#endif
  skip
}

#define isOutside(thread) (inside[thread] != inside[me] || isKilled[thread])
inline enter(side) {
  inside[me] = side;
  assert(forOthers(isOutside))
}

#ifdef LIVING_OWNER
#define isTakeable(word) ((word) != 0)
#else
#define isTakeable(word) ((word) != 0 && isDead(threadOf(word)))
#endif

inline acquire(side) {
  do
#ifdef NO_A1
  :: d_step { load(owner(side)) == 0 -> skip };
    step(hasRoom -> store(owner(side), ticket); acquires(side); enter(side));
    break
#else
  :: d_step { exchanges(owner(side), 0, ticket); acquires(side); enter(side) }; /* A1 */
    break
#endif
  /* A side of one thread stays ours between two calls. */
  :: d_step { !isShared(side) && load(owner(side)) == ticket -> enter(side) };
    break
  /* An exception has ended our last call. */
  :: d_step { isShared(side) && exchanges(owner(side), ticket, ticket); acquires(side); enter(side) }; /* A1 */
    break
  /* The owner is dead. The code acquires the word; to free it would be right, too. Another thread may be first. */
  :: d_step { isTakeable(words[owner(side)]) -> found = words[owner(side)] };
    if
    :: d_step { exchanges(owner(side), found, 0); found = 0 } /* A1, R1 */
    :: d_step { exchanges(owner(side), found, ticket); found = 0; acquires(side); enter(side) }; /* A1 */
      break
    :: d_step { isDrained(me) && words[owner(side)] != found -> found = 0 }
    :: dies
    fi
  :: dies
  od
}

#ifdef A0_PLAIN
#define A0(side) skip
#else
#define A0(side) acquires(side)
#endif

/* How many of `count` values can pass. `lead` is how far this side's index may be ahead of the other side's. */
inline look(side, other, lead) {
  step(
    hasRoom ->
    position = load(index(side));
    passing = load(limit(side)) - position;
    if
    :: passing < count ->
      passing = load(index(other)) + lead - position;
      A0(side);
      store(limit(side), position + passing)
    :: else
    fi;
    passing = (passing < count -> passing : count)
  )
}

inline reserve(side) {
  if
  :: passing == 2 -> step(hasRoom -> store(owner(side), ticket + RESERVED))
  :: else
  fi
}

#ifdef R0_PLAIN
#define R0 store
#else
#define R0 publish
#endif
#ifdef R1_PLAIN
#define R1 store
#else
#define R1 publish
#endif

/* At the end of a call and at a death, variables that have no meaning any more become 0. This saves states. */
inline forgetCall() {
  position = 0; count = 0; done = 0; got[0] = 0; got[1] = 0;
#ifdef WEAK
  if
  :: isShared(CONSUMERS) || isKilled[me] -> old[0] = 0; old[1] = 0
  :: else
  fi
#endif
}
#ifdef R1_BEFORE_R0
#define forgetAtRelease() skip
#else
#define forgetAtRelease() forgetCall()
#endif

inline abandon() {
  forgetCall(); inside[me] = 0; found = 0; passing = 0; isLast = false
}

inline release(side) {
  step(
    hasRoom ->
    if
    :: isShared(side) -> R1(owner(side), 0)
    :: !isShared(side) && load(owner(side)) != ticket -> R1(owner(side), ticket) /* end of a reservation */
    :: else
    fi;
    inside[me] = 0;
    forgetAtRelease()
  )
}

inline close(side) {
  step(
    isDrained(me) ->
    if
    :: words[owner(side)] == ticket -> words[owner(side)] = 0 /* R1 */
    :: else
    fi;
    isFinished[me] = true
  )
}

/* An exception ends a call before R0. Our ticket stays in the owner's word. */
#ifdef EXCEPTION
#define throws(side, after) \
  :: d_step { isShared(side) && !hasThrown && count == 1 -> hasThrown = true; inside[me] = 0 }; goto after
#else
#define throws(side, after)
#endif

#ifdef R0_BEFORE_COPIES_IN
#define sentBefore (sent[me] - passing)
#else
#define sentBefore sent[me]
#endif
inline copyIn() {
  do
  :: d_step { done < passing && hasRoom -> store(slot(position + done), value(me, sentBefore + done)); done++ }
  :: done == passing -> break
  throws(PRODUCERS, afterEnqueue)
  :: dies
  od
}

inline publishIn() {
  step(hasRoom -> R0(index(PRODUCERS), position + passing); sent[me] = sent[me] + passing)
}

inline produce() {
  do
  :: sent[me] < mostValues && !consumersAreGone ->
    if
    :: count = 1
    :: sent[me] + 2 <= mostValues -> count = 2
    fi;
    acquire(PRODUCERS);
    look(PRODUCERS, CONSUMERS, SLOTS); /* A0 */
    if
    :: passing > 0 ->
      reserve(PRODUCERS);
#if defined(R0_BEFORE_COPIES_IN)
      publishIn();
      copyIn()
#elif defined(R1_BEFORE_R0)
      copyIn();
      release(PRODUCERS);
      publishIn()
#else
      copyIn();
      publishIn() /* R0 */
#endif
    :: else
    fi;
#ifdef R1_BEFORE_R0
    if
    :: passing == 0 -> release(PRODUCERS)
    :: else
    fi;
#else
    release(PRODUCERS); /* R1 */
#endif
    /* The ring was full. The next call waits, since it would find the same. */
    if
    :: passing == 0 -> step(words[index(PRODUCERS)] != words[index(CONSUMERS)] + SLOTS || consumersAreGone)
    :: else
    fi;
afterEnqueue:
    passing = 0; forgetCall()
  :: else -> break
  od;
  close(PRODUCERS)
}

inline copyOut() {
  do
  :: d_step { done < passing -> got[done] = load(slot(position + done)); done++ }
#ifdef WEAK
  /* The load was made early. */
  :: d_step {
    done < passing && old[(position + done) % SLOTS] != words[slot(position + done)] ->
    got[done] = old[(position + done) % SLOTS];
    done++ }
#endif
  :: done == passing -> break
  throws(CONSUMERS, afterDequeue)
  :: dies
  od
}

/* The next value of its producer, and no other, arrives. */
inline arrives(what) {
  assert(what > 0);
  assert(nthOf(what) == received[producerOf(what)]);
  received[producerOf(what)]++;
  assert(received[producerOf(what)] <= sent[producerOf(what)])
}

inline arrive() {
  arrives(got[0]);
  if
  :: passing == 2 -> arrives(got[1])
  :: else
  fi
}

inline publishOut() {
#ifdef R0_BEFORE_COPIES_OUT
  step(hasRoom -> R0(index(CONSUMERS), position + passing))
#else
  step(hasRoom -> R0(index(CONSUMERS), position + passing); arrive())
#endif
}

inline consume() {
  do
  :: true ->
    isLast = producersAreGone;
    if
    :: count = 1
    :: count = 2
    fi;
    acquire(CONSUMERS);
    look(CONSUMERS, PRODUCERS, 0); /* A0 */
    if
    :: passing > 0 ->
      reserve(CONSUMERS);
#if defined(R0_BEFORE_COPIES_OUT)
      publishOut();
      copyOut();
      step(true -> arrive())
#elif defined(R1_BEFORE_R0)
      copyOut();
      release(CONSUMERS);
      publishOut()
#else
      copyOut();
      publishOut() /* R0 */
#endif
    :: else
    fi;
#ifdef R1_BEFORE_R0
    if
    :: passing == 0 -> release(CONSUMERS)
    :: else
    fi;
#else
    release(CONSUMERS); /* R1 */
#endif
    /* The ring was empty. The next call waits, since it would find the same. */
    if
    :: passing == 0 && isLast -> break
    :: passing == 0 && !isLast -> step(words[index(PRODUCERS)] != words[index(CONSUMERS)] || producersAreGone)
    :: else
    fi;
afterDequeue:
    passing = 0; forgetCall()
  od;
  close(CONSUMERS)
}

proctype thread(byte me) {
  byte found, position, passing, count, done;
  byte got[2];
  bool isLast;
#ifdef WEAK
  byte old[2];
#endif
  if
  :: isProducer(me) -> produce()
  :: else -> consume()
  fi;
dead:
  skip
}

/* The values that are still in the ring, when all threads are gone, are those that have not arrived. */
inline checkRest() {
  assert(words[index(PRODUCERS)] - words[index(CONSUMERS)] <= SLOTS);
  do
  :: words[index(CONSUMERS)] != words[index(PRODUCERS)] ->
    arrives(words[slot(words[index(CONSUMERS)])]);
    words[index(CONSUMERS)]++
  :: else -> break
  od;
  assert(received[0] == sent[0] && received[1] == sent[1])
}

init {
  atomic {
    words[limit(PRODUCERS)] = SLOTS;
    run thread(0);
    run thread(1);
    run thread(2)
  };
  d_step { isGone(0) && isGone(1) && isGone(2) -> checkRest() }
}
