import { statSync } from 'node:fs'
import { PinfoldError } from '../errors.js'
import { parseStatField, readKernelFile } from '../memory/kernel-files.js'
import { participantAt as lineAt, mostParticipants } from './ring-layout.js'

/**
 * Who takes part in a ring: a line for each thread, with what the kernel calls it, so that any thread of any process can
 * look whether it still lives. Whoever takes a side of the ring writes its ticket there, in the one compare-exchange that
 * takes it: so there is no moment at which a side is taken and nobody knows by whom.
 *
 * A ticket is the line's number and how often that line was given out: one of an earlier owner is told from the present
 * one's, whatever has become of either.
 */
const lineWord = {
  /** The kernel's number of the thread (gettid(2)), 0 when the line is free. */
  thread: 0,
  /** Times that the line was given out. */
  generation: 1,
  /** When the thread started, in clock ticks since boot, plus 1; low half, high half. 0 while the line is being written. */
  startLow: 2,
  startHigh: 3,
  /** The inode of its pid namespace: thread numbers of another say nothing here. */
  namespace: 4,
  /** Ring objects of this thread that are open. Written by that thread alone. */
  uses: 5,
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

interface ThreadIdentity {
  readonly thread: number
  readonly startLow: number
  readonly startHigh: number
  readonly namespace: number
}

let known: ThreadIdentity | undefined

/** This thread. Each thread has modules of its own, so it is asked for once. */
function thisThread(): ThreadIdentity {
  known ??= readThisThread()
  return known
}

function readThisThread(): ThreadIdentity {
  const stat = readKernelFile('/proc/thread-self/stat')
  if (stat === undefined) {
    throw new PinfoldError('a ring needs /proc: threads are told apart by it', { code: 'ERR_UNSUPPORTED' })
  }
  const start = parseStatField(stat, 22) + 1
  return {
    thread: Number.parseInt(stat, 10),
    startLow: start | 0,
    startHigh: Math.floor(start / 2 ** 32) | 0,
    namespace: namespaceInode(),
  }
}

function namespaceInode(): number {
  const inode = statSync('/proc/thread-self/ns/pid', { throwIfNoEntry: false })?.ino ?? 0
  return inode | 0
}

/** This thread's place among those that take part. */
export class Participant {
  readonly ticket: number
  readonly line: number
  readonly #words: Int32Array
  readonly #at: number

  private constructor(words: Int32Array, line: number) {
    this.#words = words
    this.#at = lineAt(line)
    this.line = line
    this.ticket = ((word(words, this.#at + lineWord.generation) & generationMask) << lineBits) | (line + 1)
  }

  /**
   * The line that this thread has already, or a free one, or one of a thread that is dead.
   *
   * @throws PinfoldError `ERR_RING_CLAIMED` when 64 living threads take part; `ERR_SYSTEM`, `ERR_UNSUPPORTED` without /proc
   */
  static join(words: Int32Array): Participant {
    const self = thisThread()
    for (let line = 0; line < mostParticipants; line++) {
      const at = lineAt(line)
      if (!isOf(words, at, self)) continue
      words[at + lineWord.uses] = word(words, at + lineWord.uses) + 1
      return new Participant(words, line)
    }
    for (const isTakeable of [isFree, isDead]) {
      for (let line = 0; line < mostParticipants; line++) {
        const at = lineAt(line)
        // In this order: a start that is read before the thread's number is not that of a later one.
        const start = [
          Atomics.load(words, at + lineWord.startLow),
          Atomics.load(words, at + lineWord.startHigh),
        ] as const
        const thread = Atomics.load(words, at + lineWord.thread)
        if (isTakeable(words, line) && claim(words, at, thread, start, self)) return new Participant(words, line)
      }
    }
    throw new PinfoldError(`ring: ${mostParticipants} threads take part, and all of them live`, {
      code: 'ERR_RING_CLAIMED',
      values: { participants: mostParticipants },
    })
  }

  /** Gives the line up with this thread's last Ring; returns whether it was. */
  leave(): boolean {
    const words = this.#words
    const uses = word(words, this.#at + lineWord.uses) - 1
    words[this.#at + lineWord.uses] = uses
    if (uses > 0) return false
    words[this.#at + lineWord.startLow] = 0
    words[this.#at + lineWord.startHigh] = 0
    Atomics.store(words, this.#at + lineWord.thread, 0)
    return true
  }
}

/** The number of the line that a ticket is of. */
export function lineOf(ticket: number): number {
  return (ticket & lineMask) - 1
}

/** Whether the thread that has a line lives; none does when it is free. */
export function isLineAlive(words: Int32Array, line: number): boolean {
  return line >= 0 && line < mostParticipants && !isFree(words, line) && !isDead(words, line)
}

/** Whether the thread that has this ticket can still act on it. What cannot be known, as of another pid namespace, is yes. */
export function isAlive(words: Int32Array, ticket: number): boolean {
  const line = lineOf(ticket)
  if (line < 0 || line >= mostParticipants) return false
  const generation = (ticket & ticketMask) >>> lineBits
  if ((Atomics.load(words, lineAt(line) + lineWord.generation) & generationMask) !== generation) return false
  return isLineAlive(words, line)
}

/** The kernel's number of the thread that has this ticket. */
export function threadOf(words: Int32Array, ticket: number): number {
  return word(words, lineAt(Math.max(0, lineOf(ticket))) + lineWord.thread)
}

function word(words: Int32Array, at: number): number {
  return words[at] ?? 0
}

function isOf(words: Int32Array, at: number, { thread, startLow, startHigh, namespace }: ThreadIdentity): boolean {
  return (
    word(words, at + lineWord.thread) === thread &&
    word(words, at + lineWord.startLow) === startLow &&
    word(words, at + lineWord.startHigh) === startHigh &&
    word(words, at + lineWord.namespace) === namespace
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
    Atomics.compareExchange(words, at + lineWord.startLow, low, 0)
    Atomics.compareExchange(words, at + lineWord.startHigh, high, 0)
  }
  if (Atomics.compareExchange(words, at + lineWord.thread, found, self.thread) !== found) return false
  words[at + lineWord.generation] = (word(words, at + lineWord.generation) + 1) & generationMask
  words[at + lineWord.namespace] = self.namespace
  words[at + lineWord.uses] = 1
  words[at + CallWord.producers] = 0
  words[at + CallWord.consumers] = 0
  words[at + lineWord.startHigh] = self.startHigh
  Atomics.store(words, at + lineWord.startLow, self.startLow)
  return true
}

function isFree(words: Int32Array, line: number): boolean {
  return Atomics.load(words, lineAt(line) + lineWord.thread) === 0
}

function isDead(words: Int32Array, line: number): boolean {
  const at = lineAt(line)
  const thread = Atomics.load(words, at + lineWord.thread)
  const low = Atomics.load(words, at + lineWord.startLow)
  const start = (low >>> 0) + word(words, at + lineWord.startHigh) * 2 ** 32 - 1
  const namespace = word(words, at + lineWord.namespace)
  if (thread <= 0) return true // no number of a thread: garbage
  if (namespace !== thisThread().namespace && start >= 0) return false
  const stat = statOf(thread)
  if (stat === undefined) return isGone(thread)
  const state = stat.charAt(stat.lastIndexOf(')') + 2)
  if (state === 'Z' || state === 'X') return true
  return start >= 0 && parseStatField(stat, 22) !== start
}

function statOf(thread: number): string | undefined {
  try {
    return readKernelFile(`/proc/${thread}/stat`)
  } catch {
    return undefined // it ended while it was read, or is hidden: kill(2) tells which
  }
}

/** /proc may hide other users' threads (hidepid); kill(2) tells whether there is one. */
function isGone(thread: number): boolean {
  try {
    process.kill(thread, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}
