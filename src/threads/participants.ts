import { atomicLoad, atomicStore, compareExchange } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import {
  type Doubt,
  doubts,
  type Liveness,
  livenessOf,
  livenessOfNumber,
  type ThreadIdentity,
  thisThread,
} from './identity.js'

/**
 * The threads that share a ring or a pool. Each owns a line, which contains the kernel's names of the thread, so that
 * any thread of any process can look up whether it still lives. A thread that acquires something writes its ticket
 * there, by the same compare-exchange that acquires it. Therefore nothing is ever owned by an unknown thread.
 *
 * A ticket is made of the number of the line and of the count of its owners. So the ticket of an earlier owner differs
 * from that of the present one, whatever has become of either.
 *
 * A line has these stores, in this order, and these loads:
 *
 *     W0  the dead owner's start is cleared. Beside the number of another thread it would make that one look dead
 *     W1  the compare-exchange that claims the line, by the thread's number
 *     R3  the low half of the start, after all other words of the line
 *     A3  the load of the low half, before the other words. If it sees R3, the others belong to the same owner; if it
 *         sees 0, the owner is writing its line (or died while it did), and only its number is known
 *     W2  `leave` clears the start, both halves
 *     R4  then it frees the line, by the number
 *     A4  the load of the number in `join`, after the loads of the start (A5). A start that was loaded before the
 *         number cannot be that of a later owner, so W0, which compares, does not clear the start of a living thread
 */
const lineWord = {
  /**
   * 0 if the line is free. The low bits are the thread's number, which the kernel keeps below 2^22. The high bits are a
   * mark of its boot and pid namespace, since the number means another thread in another namespace.
   */
  thread: 0,
  /** How often the line was claimed. */
  generation: 1,
  /** When the thread started, plus 1; low half, high half. 0 while the line is being written. */
  startLow: 2,
  startHigh: 3,
  pidNamespace: 4,
  /** Open objects of this thread in this memory. Written by that thread alone. */
  uses: 5,
  /** What a result of the ring's `dequeueOne` means if it may be no value (native/wasm/ring.c). */
  result: 6,
  timeNamespace: 8,
  boot: 9,
} as const
/** What `Participant.result` may be. */
export enum DequeueResult {
  value = 0,
  empty = 1,
  notOwned = 2,
}

const lineBits = 7
const lineMask = (1 << lineBits) - 1
const generationMask = (1 << 14) - 1
/** The lowest bits of an owner's word are a ticket. */
export const ticketMask = (1 << (lineBits + 14)) - 1

const numberBits = 22
const numberMask = (1 << numberBits) - 1
const markMask = (1 << (31 - numberBits)) - 1

/**
 * A mark of a thread's boot and pid namespace. Two marks are rarely equal, and matter only while a line is being
 * written.
 */
function markOf({ boot, pidNamespace }: ThreadIdentity): number {
  const mixed = Math.imul(boot ^ pidNamespace, 0x9e3779b1)
  return (mixed >>> numberBits) & markMask
}

function threadWordOf(identity: ThreadIdentity): number {
  return (markOf(identity) << numberBits) | identity.number
}

/** Words of a line: 64 bytes, a cache line. */
export const lineWords = 16
/** The number of lines: living threads that can share one ring or pool. */
export const mostParticipants = 64
const participantsWord = 6 * lineWords

/** Where the line of a participant starts, in the words of the ring or pool. */
export function participantAt(line: number): number {
  return participantsWord + line * lineWords
}

/** This thread's line. */
export class Participant {
  readonly ticket: number
  readonly line: number
  readonly #at: number

  private constructor(words: Int32Array, line: number) {
    this.#at = participantAt(line)
    this.line = line
    this.ticket = ((words[this.#at + lineWord.generation] & generationMask) << lineBits) | (line + 1)
  }

  /**
   * Claims a line: the one that this thread owns already, or a free one, or that of a dead thread.
   *
   * @param subject what the thread wants to share, as errors name it: 'ring', 'buffer pool'
   * @throws PinfoldError `ERR_RING_CLAIMED` if 64 living threads share it; `ERR_UNSUPPORTED`, `ERR_SYSTEM`,
   *   `ERR_PERMISSION` without a /proc that shows this thread
   */
  static join(words: Int32Array, subject: string): Participant {
    const self = thisThread(subject)
    for (let line = 0; line < mostParticipants; line++) {
      const at = participantAt(line)
      if (!isOf(words, at, self)) continue
      words[at + lineWord.uses] += 1
      return new Participant(words, line)
    }
    for (const isTakeable of [isFree, isDead]) {
      for (let line = 0; line < mostParticipants; line++) {
        const at = participantAt(line)
        const start = [atomicLoad(words, at + lineWord.startLow), atomicLoad(words, at + lineWord.startHigh)] as const // A5
        const thread = atomicLoad(words, at + lineWord.thread) // A4
        if (isTakeable(words, line) && claim(words, at, thread, start, self)) return new Participant(words, line)
      }
    }
    let unknown = 0
    for (let line = 0; line < mostParticipants; line++) if (livenessOfLine(words, line) in doubts) unknown++
    const which = unknown === 0 ? 'all of them live' : `this thread cannot tell whether ${unknown} of them live`
    throw new PinfoldError(`${subject}: ${mostParticipants} threads share it already, and ${which}`, {
      code: 'ERR_RING_CLAIMED',
      values: { participants: mostParticipants, ...(unknown === 0 ? {} : { unknown }) },
    })
  }

  /** What the last `dequeueOne` of WebAssembly has said of its result, a DequeueResult. */
  result(words: Int32Array): number {
    return words[this.#at + lineWord.result]
  }

  /**
   * Gives up one use of the line, and with the last one the line itself.
   *
   * @param words a view of the memory as it is now: the one given to `join` may be detached
   * @returns whether the line is free now
   */
  leave(words: Int32Array): boolean {
    const uses = words[this.#at + lineWord.uses] - 1
    words[this.#at + lineWord.uses] = uses
    if (uses > 0) return false
    words[this.#at + lineWord.startLow] = 0 // W2
    words[this.#at + lineWord.startHigh] = 0 // W2
    atomicStore(words, this.#at + lineWord.thread, 0) // R4
    return true
  }
}

/** What an error says about a thread that counts as alive, although it may be dead. */
export interface LivenessDoubt {
  /** The end of the message. */
  readonly text: string
  readonly values: { readonly liveness: 'unknown'; readonly because: Doubt }
}

/** The number of a ticket's line. */
export function lineOf(ticket: number): number {
  return (ticket & lineMask) - 1
}

/** True if the thread of a ticket can still act on it. A thread that cannot be looked up counts as alive. */
export function isAlive(words: Int32Array, ticket: number): boolean {
  const line = lineOf(ticket)
  if (line < 0 || line >= mostParticipants) return false
  const generation = (ticket & ticketMask) >>> lineBits
  if ((atomicLoad(words, participantAt(line) + lineWord.generation) & generationMask) !== generation) return false
  return !isFree(words, line) && !isDead(words, line)
}

/** The kernel's number of the thread of a ticket. */
export function threadOf(words: Int32Array, ticket: number): number {
  return words[participantAt(Math.max(0, lineOf(ticket))) + lineWord.thread] & numberMask
}

/** Why this thread cannot tell whether the thread of a ticket lives, for an error; undefined if it can tell. */
export function doubtAbout(words: Int32Array, ticket: number): LivenessDoubt | undefined {
  const line = lineOf(ticket)
  const liveness = line < 0 || line >= mostParticipants ? 'dead' : livenessOfLine(words, line)
  if (liveness === 'alive' || liveness === 'dead') return undefined
  return {
    text: `; this thread cannot tell whether that one lives: ${doubts[liveness]}`,
    values: { liveness: 'unknown', because: liveness },
  }
}

function startOfLine(words: Int32Array, at: number): number {
  const low = atomicLoad(words, at + lineWord.startLow) // A3
  return (low >>> 0) + words[at + lineWord.startHigh] * 2 ** 32 - 1
}

function isOf(words: Int32Array, at: number, identity: ThreadIdentity): boolean {
  return (
    words[at + lineWord.thread] === threadWordOf(identity) &&
    startOfLine(words, at) === identity.start &&
    words[at + lineWord.pidNamespace] === identity.pidNamespace &&
    words[at + lineWord.timeNamespace] === identity.timeNamespace &&
    words[at + lineWord.boot] === identity.boot
  )
}

/**
 * Claims a line for this thread, from what was found there. The compare-exchange is of the thread's number, so that the
 * line of a thread that dies while it writes the rest is recognized as a dead thread's too.
 */
function claim(
  words: Int32Array,
  at: number,
  found: number,
  [low, high]: readonly [number, number],
  self: ThreadIdentity,
): boolean {
  // Clear the dead thread's start first: combined with our number it would look like a dead thread. By
  // compare-exchange, in case another thread has just claimed the line, and written its own start.
  if (found !== 0) {
    compareExchange(words, at + lineWord.startLow, low, 0) // W0
    compareExchange(words, at + lineWord.startHigh, high, 0) // W0
  }
  if (compareExchange(words, at + lineWord.thread, found, threadWordOf(self)) !== found) return false // W1
  words[at + lineWord.generation] = (words[at + lineWord.generation] + 1) & generationMask
  words[at + lineWord.pidNamespace] = self.pidNamespace
  words[at + lineWord.timeNamespace] = self.timeNamespace
  words[at + lineWord.boot] = self.boot
  words[at + lineWord.uses] = 1
  words[at + lineWord.startHigh] = Math.floor((self.start + 1) / 2 ** 32) | 0
  atomicStore(words, at + lineWord.startLow, (self.start + 1) | 0) // R3
  return true
}

function isFree(words: Int32Array, line: number): boolean {
  return atomicLoad(words, participantAt(line) + lineWord.thread) === 0
}

function isDead(words: Int32Array, line: number): boolean {
  return livenessOfLine(words, line) === 'dead'
}

/** Whether the owner of a line lives; of a line that is not free. */
function livenessOfLine(words: Int32Array, line: number): Liveness {
  const at = participantAt(line)
  const thread = atomicLoad(words, at + lineWord.thread)
  const number = thread & numberMask
  const start = startOfLine(words, at)
  if (thread <= 0 || number === 0) return 'dead' // garbage: no thread has this number
  if (start >= 0) {
    return livenessOf({
      number,
      start,
      pidNamespace: words[at + lineWord.pidNamespace],
      timeNamespace: words[at + lineWord.timeNamespace],
      boot: words[at + lineWord.boot],
    })
  }
  // Its owner claimed the line (W1) and has not yet written the rest (R3).
  return thread >>> numberBits === markOf(thisThread('threads'))
    ? livenessOfNumber(number, undefined, 'alive')
    : 'pid namespace'
}
