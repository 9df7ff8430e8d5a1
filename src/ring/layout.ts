import { atomicLoad, atomicStore } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import type { RegionMemory } from '../memory/region-memory.js'
import { lineWords, mostParticipants, participantAt } from '../threads/participants.js'

/**
 * A ring in memory, in 32-bit words of the machine's byte order. Nothing in it depends on one process: no pointers, and
 * of threads what the kernel calls them.
 *
 *     line  0   what it is: written once, before anybody attaches
 *     line  2   the producers' side, written by them alone
 *     line  4   the consumers' side
 *     line  6   64 lines, one a thread that takes part (threads/participants.ts)
 *     line 70   the slots
 *
 * A line is 64 bytes. Between the sides is an empty one, since processors fetch lines in pairs.
 */
export const lineBytes = 64

export const headerWord = { magic: 0, version: 1, count: 2, modes: 3, highWatermark: 4, lowWatermark: 5 } as const
/** Where the words of the two sides start. */
export const producerWord = 2 * lineWords
export const consumerWord = 4 * lineWords
// An enum, since esbuild writes its numbers into the bundle; V8 reads a constant from memory each time, and a name costs its
// inliner bytes.
export enum SideWord {
  /** The ticket of who has this side, or 0. */
  owner = 0,
  /** Values that have passed this side since the ring was made, modulo 2^32. */
  index = 1,
  /** How far the index can go, as this side has last looked at the other. */
  limit = 2,
  /** Not 0 once threads have to take turns with it, for each call; until then whoever came first keeps it. */
  turns = 3,
}
const headerWords = participantAt(mostParticipants)
const headerBytes = headerWords * 4

export const leastCount = 2
export const mostCount = 2 ** 28

const magic = 0x474e4952 // 'RING', as its bytes are in memory
// 2: a thread writes down its time namespace and boot too (threads/participants.ts).
const version = 2
const modeBits = { manyProducers: 1, manyConsumers: 2 } as const

/** What a ring is, once and for all. */
export interface RingShape {
  readonly count: number
  readonly manyProducers: boolean
  readonly manyConsumers: boolean
  readonly highWatermark: number
  readonly lowWatermark: number
}

/** The views of a ring that a thread works on; all on one ArrayBuffer. */
export interface RingViews {
  readonly words: Int32Array
  /** The words of each side. */
  readonly producers: Int32Array
  readonly consumers: Int32Array
  readonly slots: Uint32Array
  readonly pairs: BigUint64Array
}

const noWords = new Int32Array(0)

/** The words of a participant. */
export function participantLine({ words }: RingViews, line: number): Int32Array {
  return words.subarray(participantAt(line), participantAt(line) + lineWords)
}

/** Of a ring that is closed. */
export const noViews: RingViews = {
  words: noWords,
  producers: noWords,
  consumers: noWords,
  slots: new Uint32Array(0),
  pairs: new BigUint64Array(0),
}

export function ringBytes(count: number): number {
  return headerBytes + count * 4
}

export function isCount(count: number): boolean {
  return Number.isInteger(count) && count >= leastCount && count <= mostCount && (count & (count - 1)) === 0
}

/** Slots of the largest ring that fits in so many bytes; 0 when none does. */
export function countThatFits(bytes: number): number {
  const slots = Math.min(mostCount, Math.floor((bytes - headerBytes) / 4))
  return slots < leastCount ? 0 : 2 ** Math.floor(Math.log2(slots))
}

/** @throws PinfoldError as `region.view` */
export function viewsOf(memory: RegionMemory, count: number): RingViews {
  const { buffer, byteOffset } = memory.view(0, ringBytes(count))
  const slots = byteOffset + headerBytes
  return {
    words: new Int32Array(buffer, byteOffset, headerWords),
    producers: new Int32Array(buffer, byteOffset + producerWord * 4, lineWords),
    consumers: new Int32Array(buffer, byteOffset + consumerWord * 4, lineWords),
    slots: new Uint32Array(buffer, slots, count),
    pairs: new BigUint64Array(buffer, slots, count / 2),
  }
}

/** Makes an empty ring of memory that may have held anything. Its magic comes last: without it, it is none. */
export function writeRing(words: Int32Array, shape: RingShape): void {
  atomicStore(words, headerWord.magic, 0)
  words.fill(0)
  words[headerWord.version] = version
  words[headerWord.count] = shape.count
  words[headerWord.modes] =
    (shape.manyProducers ? modeBits.manyProducers : 0) | (shape.manyConsumers ? modeBits.manyConsumers : 0)
  words[headerWord.highWatermark] = shape.highWatermark
  words[headerWord.lowWatermark] = shape.lowWatermark
  words[producerWord + SideWord.limit] = shape.count
  atomicStore(words, headerWord.magic, magic)
}

/**
 * What ring lies in the memory. It is read once: whatever is written there later, a thread keeps within what was checked.
 *
 * @throws PinfoldError `ERR_RING_LAYOUT` when it is none, or none of this version, or larger than the memory; as
 *   `region.view`
 */
export function readShape(memory: RegionMemory, bytes: number): RingShape {
  if (bytes < headerBytes) throw noRing(`${bytes} bytes are too few`, { bytes })
  const { buffer, byteOffset } = memory.view(0, lineBytes)
  const words = new Int32Array(buffer, byteOffset, lineWords)
  if (atomicLoad(words, headerWord.magic) !== magic) throw noRing('there is none', {})
  if (words[headerWord.version] !== version) {
    const found = words[headerWord.version]
    throw noRing(`it is of version ${found}, not ${version}`, { version: found })
  }
  const count = words[headerWord.count]
  if (!isCount(count) || ringBytes(count) > bytes) {
    throw noRing(`${count} slots are none that ${bytes} bytes can have`, { count, bytes })
  }
  const modes = words[headerWord.modes]
  const highWatermark = words[headerWord.highWatermark]
  const lowWatermark = words[headerWord.lowWatermark]
  const all = modeBits.manyProducers | modeBits.manyConsumers
  if ((modes & ~all) !== 0) throw noRing(`its modes are ${modes}`, { modes })
  if (!(lowWatermark >= 0 && lowWatermark <= highWatermark && highWatermark <= count)) {
    throw noRing(`its watermarks are ${lowWatermark} and ${highWatermark}`, { lowWatermark, highWatermark })
  }
  return {
    count,
    manyProducers: (modes & modeBits.manyProducers) !== 0,
    manyConsumers: (modes & modeBits.manyConsumers) !== 0,
    highWatermark,
    lowWatermark,
  }
}

function noRing(why: string, values: Readonly<Record<string, unknown>>): PinfoldError {
  return new PinfoldError(`attachRing: no ring in this memory: ${why}`, { code: 'ERR_RING_LAYOUT', values })
}
