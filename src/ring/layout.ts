import { atomicLoad, atomicStore } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { type MemoryRange, viewIn } from '../memory/region-memory.js'
import { lineWords, mostParticipants, participantAt } from '../threads/participants.js'

/**
 * A ring in memory, in 32-bit words of the machine's byte order. Nothing in it depends on one process: it contains no
 * pointers, and threads by the kernel's names.
 *
 *     line  0   the shape: written once, before any thread attaches
 *     line  2   the producers' side, written by producers alone
 *     line  4   the consumers' side, written by consumers alone
 *     line  6   64 lines, one for each thread that shares the ring (threads/participants.ts)
 *     line 70   the slots
 *
 * A line is 64 bytes. The lines between the sides are empty, since processors fetch lines in pairs.
 */
export const lineBytes = 64

export const headerWord = { magic: 0, version: 1, count: 2, modes: 3, highWatermark: 4, lowWatermark: 5 } as const
/** Where the words of the two sides start. */
export const producerWord = 2 * lineWords
export const consumerWord = 4 * lineWords
// An enum, since esbuild writes its numbers into the bundle. V8 would read a constant from memory each time, and a name
// would count as bytecode when V8 decides what to inline.
export enum SideWord {
  /** 0 if the side is free; else the owner's ticket and state (side-ownership.ts). */
  owner = 0,
  /** The number of values that have passed this side since the ring was made, modulo 2^32. */
  index = 1,
  /** How far the index may go, by this side's last look at the other side. */
  limit = 2,
}
const headerWords = participantAt(mostParticipants)
const headerBytes = headerWords * 4

export const leastCount = 2
export const mostCount = 2 ** 28

const magic = 0x474e4952 // 'RING', as its bytes are in memory
// Version 3: no thread keeps a side of many threads between its calls.
const version = 3
const modeBits = { manyProducers: 1, manyConsumers: 2 } as const

/** The shape of a ring, which never changes. */
export interface RingShape {
  readonly count: number
  readonly manyProducers: boolean
  readonly manyConsumers: boolean
  readonly highWatermark: number
  readonly lowWatermark: number
}

/** A thread's views of a ring, all on one ArrayBuffer. */
export interface RingViews {
  readonly words: Int32Array
  /** The words of each side. */
  readonly producers: Int32Array
  readonly consumers: Int32Array
  readonly slots: Uint32Array
}

const noWords = new Int32Array(0)

/** The views of a closed ring. */
export const noViews: RingViews = {
  words: noWords,
  producers: noWords,
  consumers: noWords,
  slots: new Uint32Array(0),
}

export function ringBytes(count: number): number {
  return headerBytes + count * 4
}

export function isCount(count: number): boolean {
  return Number.isInteger(count) && count >= leastCount && count <= mostCount && (count & (count - 1)) === 0
}

/** The slots of the largest ring that fits in so many bytes; 0 if none fits. */
export function countThatFits(bytes: number): number {
  const slots = Math.min(mostCount, Math.floor((bytes - headerBytes) / 4))
  return slots < leastCount ? 0 : 2 ** Math.floor(Math.log2(slots))
}

/** @throws PinfoldError as `region.view` */
export function viewsOf(range: MemoryRange, count: number): RingViews {
  const { buffer, byteOffset } = viewIn(range, 0, ringBytes(count))
  const slots = byteOffset + headerBytes
  return {
    words: new Int32Array(buffer, byteOffset, headerWords),
    producers: new Int32Array(buffer, byteOffset + producerWord * 4, lineWords),
    consumers: new Int32Array(buffer, byteOffset + consumerWord * 4, lineWords),
    slots: new Uint32Array(buffer, slots, count),
  }
}

/** Makes an empty ring in memory with any content. The magic is written last: without it there is no ring. */
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
 * The shape of the ring in the memory. It is read once: whatever is written there later, a thread stays within the
 * shape that was checked.
 *
 * @throws PinfoldError `ERR_RING_LAYOUT` if there is no ring, or one of another version, or one that is larger than the
 *   memory; as `region.view`
 */
export function readShape(range: MemoryRange): RingShape {
  const { length: bytes } = range
  if (bytes < headerBytes) throw noRing(`it has only ${bytes} bytes`, { bytes })
  const { buffer, byteOffset } = viewIn(range, 0, lineBytes)
  const words = new Int32Array(buffer, byteOffset, lineWords)
  if (atomicLoad(words, headerWord.magic) !== magic) throw noRing('it does not begin with the mark of a ring', {})
  if (words[headerWord.version] !== version) {
    const found = words[headerWord.version]
    throw noRing(`expected version ${version}, found ${found}`, { version: found })
  }
  const count = words[headerWord.count]
  if (!isCount(count) || ringBytes(count) > bytes) {
    throw noRing(`its header says ${count} slots, and it has ${bytes} bytes`, { count, bytes })
  }
  const modes = words[headerWord.modes]
  const highWatermark = words[headerWord.highWatermark]
  const lowWatermark = words[headerWord.lowWatermark]
  const all = modeBits.manyProducers | modeBits.manyConsumers
  if ((modes & ~all) !== 0) throw noRing(`its header says modes ${modes}`, { modes })
  if (!(lowWatermark >= 0 && lowWatermark <= highWatermark && highWatermark <= count)) {
    throw noRing(`its header says watermarks ${lowWatermark} and ${highWatermark}`, { lowWatermark, highWatermark })
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
  return new PinfoldError(`attachRing: there is no ring in this memory: ${why}`, { code: 'ERR_RING_LAYOUT', values })
}
