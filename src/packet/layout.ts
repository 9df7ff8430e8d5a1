import { atomicStore } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { type MemoryRange, viewIn } from '../memory/region-memory.js'

/**
 * The layout of packets in memory, in 32-bit words of the machine's byte order. Nothing in it depends on one process.
 *
 *     line 0    header: written once, before another thread can attach
 *     line 1    32 lines: the declared fields, as text
 *     line 33   slots of external buffers, 8 words each
 *               records, 8 words each: the state of a packet, beside its bytes
 *               details: the fields and the private area of each packet
 *               a BufferPool (src/pool/layout.ts), whose elements are the packets' buffers
 *
 * A record is half a cache line, so that the records of a burst of 32 packets are 16 lines.
 */
const lineBytes = 64

const headerWord = {
  magic: 0,
  version: 1,
  capacity: 2,
  headroom: 3,
  privateSize: 4,
  /** Bytes of a packet's fields and private area. */
  details: 5,
  externals: 6,
  /** Bytes of the text that declares the fields. */
  declaration: 7,
  /** Where the pool starts, in lines. */
  pool: 8,
} as const

export const mostDeclared = 32 * lineBytes
const slotsAt = 33 * lineBytes
export const slotWords = 8
/** The words of an external buffer's slot. */
export const slotWord = {
  /** How many packets use it. If 0, and the slot has an owner, the release callback has yet to be called. */
  references: 0,
  /** The owner of the callback, a random number of a thread; 0: the slot is free. */
  owner: 1,
  /** Where it starts in the region: bytes, and units of 4 GiB. */
  offsetLow: 2,
  offsetHigh: 3,
  length: 4,
} as const

export const recordWords = 8
/** The words of a packet's record. The first two pairs of words are written as one 64-bit value each. */
export const recordWord = {
  /** The number of holders, and in the higher half the number of other packets that use its buffer; 0: it is free. */
  references: 0,
  /** Number of segments, and whether `buffer` means something. If 1, the words from `next` on mean nothing. */
  form: 1,
  /** Where the data start in the buffer. */
  start: 2,
  length: 3,
  /** The next segment's number plus 1; 0: this is the last. */
  next: 4,
  /** In a packet's first segment, the length of all segments. */
  total: 5,
  /** The buffer that it uses: n + 1 for that of packet n, -1 - n for external buffer n. */
  buffer: 6,
  /** In a packet's first segment, the last segment's number plus 1, so that a chain grows without a walk. */
  last: 7,
} as const

/** The record of a new packet: its first two pairs of words, each as the 64-bit value that contains both. */
export interface NewRecord {
  readonly counts: number
  readonly place: number
}

export function newRecord(headroom: number): NewRecord {
  const [counts, place] = new Float64Array(Int32Array.of(1, 1, headroom, 0).buffer)
  return { counts, place }
}

/** In `form`: the number of segments, 0 in a later segment; and whether `buffer` means something. */
export const segmentsMask = 0xffff
export const usesOther = 0x10000

/** In `references`: one other packet that uses the buffer, the bits of the holders, and the most that both can be. */
export const oneSharer = 0x10000
export const holdersMask = 0xffff
export const mostReferences = 0x7ffe

/** As of rte_mbuf, where the count is a 16-bit number. */
export const mostSegments = 65_535
/** With more, the records would not lie in one view. */
export const mostPackets = 2 ** 25
const magic = 0x53544b50 // 'PKTS', as its bytes are in memory
const version = 2

/** The properties of packets that never change. */
export interface PacketShape {
  readonly capacity: number
  readonly headroom: number
  readonly privateSize: number
  readonly details: number
  readonly externals: number
  /** The declared fields, as text. */
  readonly declaration: string
  /** Bytes from the start to the pool. */
  readonly pool: number
}

/** Where the parts of the memory start, in bytes. */
export interface PacketPlaces {
  readonly slots: number
  readonly records: number
  readonly details: number
  readonly end: number
}

export function packetPlaces({
  capacity,
  details,
  externals,
}: Pick<PacketShape, 'capacity' | 'details' | 'externals'>): PacketPlaces {
  const records = roundToLine(slotsAt + externals * slotWords * 4)
  const first = roundToLine(records + capacity * recordWords * 4)
  return { slots: slotsAt, records, details: first, end: roundToLine(first + capacity * details) }
}

/** The views of the memory that a thread works on. */
export interface PacketViews {
  readonly slots: Int32Array
  readonly records: Int32Array
  /** The records, two words in an element. */
  readonly pairs: Float64Array
  readonly details: Uint8Array<ArrayBuffer>
  /** The details, for values of any type. */
  readonly fields: DataView
}

/** @throws PinfoldError as `region.view` */
export function packetViews(range: MemoryRange, shape: PacketShape): PacketViews {
  const places = packetPlaces(shape)
  const { buffer, byteOffset } = viewIn(range, 0, places.end)
  const count = shape.capacity * recordWords
  const details = shape.capacity * shape.details
  return {
    slots: new Int32Array(buffer, byteOffset + places.slots, shape.externals * slotWords),
    records: new Int32Array(buffer, byteOffset + places.records, count),
    pairs: new Float64Array(buffer, byteOffset + places.records, count / 2),
    details: new Uint8Array(buffer, byteOffset + places.details, details),
    fields: new DataView(buffer, byteOffset + places.details, details),
  }
}

/** Writes free packets over memory that may hold anything. The magic number comes last, by `publishPackets`. */
export function writePackets(range: MemoryRange, shape: PacketShape): void {
  const bytes = viewIn(range, 0, packetPlaces(shape).end)
  const words = headerOf(range)
  atomicStore(words, headerWord.magic, 0)
  bytes.fill(0)
  words[headerWord.version] = version
  words[headerWord.capacity] = shape.capacity
  words[headerWord.headroom] = shape.headroom
  words[headerWord.privateSize] = shape.privateSize
  words[headerWord.details] = shape.details
  words[headerWord.externals] = shape.externals
  words[headerWord.pool] = shape.pool / lineBytes
  const text = new TextEncoder().encode(shape.declaration)
  words[headerWord.declaration] = text.length
  bytes.set(text, lineBytes)
}

/** From now on other threads can attach. */
export function publishPackets(range: MemoryRange): void {
  atomicStore(headerOf(range), headerWord.magic, magic)
}

/**
 * The shape of the packets in the memory. The header is read once: a program that writes over it later changes nothing
 * of what was checked.
 *
 * @throws PinfoldError `ERR_PACKETS_LAYOUT` when there are no packets of this version, or they do not fit; as
 *   `region.view`
 */
export function readPackets(range: MemoryRange): PacketShape {
  const { length: bytes } = range
  if (bytes < slotsAt) throw noPackets(`${bytes} bytes are too few`, { bytes })
  const words = headerOf(range).slice()
  if (words[headerWord.magic] !== magic) throw noPackets('it does not start with their header', {})
  const found = words[headerWord.version]
  if (found !== version) throw noPackets(`they are of version ${found}, not ${version}`, { version: found })
  const declared = words[headerWord.declaration]
  const shape = {
    capacity: words[headerWord.capacity],
    headroom: words[headerWord.headroom],
    privateSize: words[headerWord.privateSize],
    details: words[headerWord.details],
    externals: words[headerWord.externals],
    pool: words[headerWord.pool] * lineBytes,
  }
  const isPossible =
    Object.values(shape).every((value) => value >= 0) &&
    shape.capacity > 0 &&
    shape.capacity <= mostPackets &&
    declared >= 0 &&
    declared <= mostDeclared &&
    shape.privateSize <= shape.details &&
    packetPlaces(shape).end <= shape.pool &&
    shape.pool < bytes
  if (!isPossible) throw noPackets('their header contradicts itself', { ...shape, bytes })
  return { ...shape, declaration: Buffer.from(viewIn(range, lineBytes, declared)).toString('latin1') }
}

export function noPackets(why: string, values: Readonly<Record<string, unknown>>): PinfoldError {
  return new PinfoldError(`attachPackets: no packets in this memory: ${why}`, { code: 'ERR_PACKETS_LAYOUT', values })
}

function headerOf(range: MemoryRange): Int32Array {
  const { buffer, byteOffset } = viewIn(range, 0, lineBytes)
  return new Int32Array(buffer, byteOffset, lineBytes / 4)
}

function roundToLine(bytes: number): number {
  return Math.ceil(bytes / lineBytes) * lineBytes
}
