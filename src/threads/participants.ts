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
 * Who takes part in a ring: a line for each thread, with what the kernel calls it, so that any thread of any process can
 * look whether it still lives. Whoever takes a side of the ring writes its ticket there, in the one compare-exchange that
 * takes it: so there is no moment at which a side is taken and nobody knows by whom.
 *
 * A ticket is the line's number and how often that line was given out: one of an earlier owner is told from the present
 * one's, whatever has become of either.
 */
const lineWord = {
  /**
   * 0 when the line is free. Below, the thread's number, which the kernel keeps below 2^22; above, a mark of its boot and
   * pid namespace, since the number says nothing in another.
   */
  thread: 0,
  /** Times that the line was given out. */
  generation: 1,
  /** When the thread started, plus 1; low half, high half. 0 while the line is being written. */
  startLow: 2,
  startHigh: 3,
  pidNamespace: 4,
  /** Ring objects of this thread that are open. Written by that thread alone. */
  uses: 5,
  timeNamespace: 8,
  boot: 9,
} as const
/** Words of the same line, not 0 while the thread is within a call on a side that it keeps. (An enum, as SideWord.) */
export enum CallWord {
  producers = 6,
  consumers = 7,
}

const lineBits = 7
const lineMask = (1 << lineBits) - 1
const generationMask = (1 << 14) - 1
/** An owner's word has a ticket in its lowest bits. */
export const ticketMask = (1 << (lineBits + 14)) - 1

const numberBits = 22
const numberMask = (1 << numberBits) - 1
const markMask = (1 << (31 - numberBits)) - 1

/** Of a thread's boot and pid namespace. Those of two are rarely the same, and only matter while a line is being written. */
function markOf({ boot, pidNamespace }: ThreadIdentity): number {
  const mixed = Math.imul(boot ^ pidNamespace, 0x9e3779b1)
  return (mixed >>> numberBits) & markMask
}

function threadWordOf(identity: ThreadIdentity): number {
  return (markOf(identity) << numberBits) | identity.number
}

/** Words of a line: 64 bytes, what a processor fetches at once. */
export const lineWords = 16
/** Threads that can take part in one thing at a time. */
export const mostParticipants = 64
const participantsWord = 6 * lineWords

/** The word at which the line of a participant starts, in the words of the thing that it takes part in. */
export function participantAt(line: number): number {
  return participantsWord + line * lineWords
}

/** This thread's place among those that take part. */
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
   * The line that this thread has already, or a free one, or one of a thread that is dead.
   *
   * @throws PinfoldError `ERR_RING_CLAIMED` when 64 living threads take part; `ERR_UNSUPPORTED`, `ERR_SYSTEM`,
   *   `ERR_PERMISSION` without a /proc that shows this thread
   */
  static join(words: Int32Array): Participant {
    const self = thisThread()
    for (let line = 0; line < mostParticipants; line++) {
      const at = participantAt(line)
      if (!isOf(words, at, self)) continue
      words[at + lineWord.uses] += 1
      return new Participant(words, line)
    }
    for (const isTakeable of [isFree, isDead]) {
      for (let line = 0; line < mostParticipants; line++) {
        const at = participantAt(line)
        // In this order: a start that is read before the thread's number is not that of a later one.
        const start = [atomicLoad(words, at + lineWord.startLow), atomicLoad(words, at + lineWord.startHigh)] as const
        const thread = atomicLoad(words, at + lineWord.thread)
        if (isTakeable(words, line) && claim(words, at, thread, start, self)) return new Participant(words, line)
      }
    }
    let unknown = 0
    for (let line = 0; line < mostParticipants; line++) if (livenessOfLine(words, line) in doubts) unknown++
    const which = unknown === 0 ? 'all of them live' : `whether ${unknown} of them live is not known here`
    throw new PinfoldError(`ring: ${mostParticipants} threads take part, and ${which}`, {
      code: 'ERR_RING_CLAIMED',
      values: { participants: mostParticipants, ...(unknown === 0 ? {} : { unknown }) },
    })
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
    words[this.#at + lineWord.startLow] = 0
    words[this.#at + lineWord.startHigh] = 0
    atomicStore(words, this.#at + lineWord.thread, 0)
    return true
  }
}

/** What an error says of a thread that counts as alive, although it may be dead. */
export interface LivenessDoubt {
  /** What follows in the message. */
  readonly text: string
  readonly values: { readonly liveness: 'unknown'; readonly because: Doubt }
}

/** The number of the line that a ticket is of. */
export function lineOf(ticket: number): number {
  return (ticket & lineMask) - 1
}

/** Whether the thread that has a line lives; none does when it is free. What cannot be known is yes. */
export function isLineAlive(words: Int32Array, line: number): boolean {
  return line >= 0 && line < mostParticipants && !isFree(words, line) && !isDead(words, line)
}

/** Whether the thread that has this ticket can still act on it. What cannot be known is yes. */
export function isAlive(words: Int32Array, ticket: number): boolean {
  const line = lineOf(ticket)
  if (line < 0 || line >= mostParticipants) return false
  const generation = (ticket & ticketMask) >>> lineBits
  if ((atomicLoad(words, participantAt(line) + lineWord.generation) & generationMask) !== generation) return false
  return isLineAlive(words, line)
}

/** The kernel's number of the thread that has this ticket. */
export function threadOf(words: Int32Array, ticket: number): number {
  return words[participantAt(Math.max(0, lineOf(ticket))) + lineWord.thread] & numberMask
}

/** Why it is not known whether the thread of a ticket lives, to be told in an error; undefined when it is known. */
export function doubtAbout(words: Int32Array, ticket: number): LivenessDoubt | undefined {
  const line = lineOf(ticket)
  const liveness = line < 0 || line >= mostParticipants ? 'dead' : livenessOfLine(words, line)
  if (liveness === 'alive' || liveness === 'dead') return undefined
  return {
    text: `; whether it lives is not known here: ${doubts[liveness]}`,
    values: { liveness: 'unknown', because: liveness },
  }
}

function startOfLine(words: Int32Array, at: number): number {
  // In this order: the low half is written last.
  const low = atomicLoad(words, at + lineWord.startLow)
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
 * The thread's number is what the compare-exchange takes the line by, so that a line whose owner died while it wrote the
 * rest is known as a dead thread's too. When it started comes last: until then the number alone tells.
 */
function claim(
  words: Int32Array,
  at: number,
  found: number,
  [low, high]: readonly [number, number],
  self: ThreadIdentity,
): boolean {
  // A dead thread's start is wiped first: beside another's number it would make that one look dead. By an exchange, since
  // another thread may have taken the line meanwhile, and written its own.
  if (found !== 0) {
    compareExchange(words, at + lineWord.startLow, low, 0)
    compareExchange(words, at + lineWord.startHigh, high, 0)
  }
  if (compareExchange(words, at + lineWord.thread, found, threadWordOf(self)) !== found) return false
  words[at + lineWord.generation] = (words[at + lineWord.generation] + 1) & generationMask
  words[at + lineWord.pidNamespace] = self.pidNamespace
  words[at + lineWord.timeNamespace] = self.timeNamespace
  words[at + lineWord.boot] = self.boot
  words[at + lineWord.uses] = 1
  words[at + CallWord.producers] = 0
  words[at + CallWord.consumers] = 0
  words[at + lineWord.startHigh] = Math.floor((self.start + 1) / 2 ** 32) | 0
  atomicStore(words, at + lineWord.startLow, (self.start + 1) | 0)
  return true
}

function isFree(words: Int32Array, line: number): boolean {
  return atomicLoad(words, participantAt(line) + lineWord.thread) === 0
}

function isDead(words: Int32Array, line: number): boolean {
  return livenessOfLine(words, line) === 'dead'
}

/** Of a line that is not free. */
function livenessOfLine(words: Int32Array, line: number): Liveness {
  const at = participantAt(line)
  const thread = atomicLoad(words, at + lineWord.thread)
  const number = thread & numberMask
  const start = startOfLine(words, at)
  if (thread <= 0 || number === 0) return 'dead' // no number of a thread: garbage
  if (start >= 0) {
    return livenessOf({
      number,
      start,
      pidNamespace: words[at + lineWord.pidNamespace],
      timeNamespace: words[at + lineWord.timeNamespace],
      boot: words[at + lineWord.boot],
    })
  }
  // It has taken the line, and not yet written the rest.
  return thread >>> numberBits === markOf(thisThread()) ? livenessOfNumber(number, undefined, 'alive') : 'pid namespace'
}
