import { atomicLoad, atomicStore } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { type MemoryRange, viewIn } from '../memory/region-memory.js'
import { mostParticipants, participantAt } from '../threads/participants.js'

/**
 * A pool in memory, in 32-bit words of the machine's byte order. Nothing in it depends on one process.
 *
 *     line  0   the shape of the pool: written once, before any thread attaches
 *     line  2   the depot: its lock, and the depths of its two stacks
 *     line  4   waiters: the next number to draw, and whether there may be a waiter
 *     line  6   64 lines, one for each thread that takes part (threads/participants.ts)
 *     line 70   128 lines, two for each of these threads: its ticket, its oldest waiter, its counters
 *     line 198  the two stacks of the depot, of magazine numbers
 *               the magazines: a line with count and owner, then the numbers of elements
 *               with tracking, one byte for each element: the thread that has taken it
 *               the elements, from the next multiple of their alignment on
 *
 * A magazine contains numbers of free elements. A thread works with two of its own, and exchanges an empty one for a
 * full one at the depot, or the other way round. The numbers move with their magazine, so an exchange copies nothing,
 * and a thread that finds another thread dead takes its magazines as they are. (Bonwick and Adams, Magazines and Vmem,
 * USENIX 2001.)
 */
const lineWords = 16
const lineBytes = 64

export const headerWord = {
  magic: 0,
  version: 1,
  capacity: 2,
  elementSize: 3,
  stride: 4,
  perPage: 5,
  pageShift: 6,
  magazineSize: 7,
  magazines: 8,
  tracking: 9,
  /** Where the elements start, in lines. */
  elements: 10,
} as const

export const depotWord = {
  owner: 2 * lineWords,
  /** Depth of the stack of magazines with elements. */
  full: 2 * lineWords + 1,
  /** Depth of the stack of empty magazines. */
  empty: 2 * lineWords + 2,
  /** The record of a move from one magazine to another: where their numbers start, and their counts afterwards. */
  isPouring: 2 * lineWords + 3,
  source: 2 * lineWords + 4,
  target: 2 * lineWords + 5,
  sourceCount: 2 * lineWords + 6,
  targetCount: 2 * lineWords + 7,
} as const

/** The number that the next waiter draws, and whether there may be a waiter. */
export const waitWord = { next: 4 * lineWords, isSomebody: 4 * lineWords + 1 } as const

export const threadsWord = participantAt(mostParticipants)
export const threadWords = 2 * lineWords
/** The words of a thread, found by the line of its participant. That thread alone writes them, except `isAsked`. */
export const threadWord = {
  /** Its ticket, which tells whether it lives. */
  ticket: 0,
  /** The number that its oldest waiter has drawn, plus 1; 0 when it has no waiter. */
  waiting: 2,
  /**
   * -1 when other threads have waiters: the thread then gives its cache to the depot. Written by the waiters' threads.
   */
  isAsked: 3,
  refills: 4,
  flushes: 5,
  failures: 6,
  /** Elements taken in calls that had to fetch a magazine first. */
  missed: 7,
} as const

const stacksWord = threadsWord + mostParticipants * threadWords
/**
 * Words before a magazine's numbers. The count stands two words before them: at an even place, as the numbers start.
 */
export const magazineHeader = lineWords
export const magazineWord = { count: -2, owner: -lineWords } as const
/** Where place 0 of `pool.spans` is, in bytes from the pool's start: the words from the third on. */
export const spansAt = -magazineWord.count * 4

const magic = 0x4c4f4f50 // 'POOL', as its bytes are in memory
// 2: a thread also writes its time namespace and its boot (threads/participants.ts).
const version = 2

/** The shape of a pool, which never changes. */
export interface PoolShape {
  readonly capacity: number
  /** Bytes of an element. */
  readonly elementSize: number
  /** Bytes from one element to the next within a page. */
  readonly stride: number
  /** Elements in each page, when none may cross its end; 0 when all elements follow each other. */
  readonly perPage: number
  readonly pageShift: number
  readonly magazineSize: number
  readonly magazines: number
  readonly tracking: boolean
  /** Bytes from the start to the first element. */
  readonly elements: number
}

/** Where the parts of a pool start: in words, except `states` and `end`, which are in bytes. */
export interface PoolPlaces {
  readonly fullStack: number
  readonly emptyStack: number
  readonly firstMagazine: number
  readonly magazineWords: number
  readonly states: number
  /** Bytes before the elements, up to their alignment. */
  readonly end: number
}

export function placesOf({
  capacity,
  magazineSize,
  magazines,
  tracking,
}: Pick<PoolShape, 'capacity' | 'magazineSize' | 'magazines' | 'tracking'>): PoolPlaces {
  const fullStack = stacksWord
  const emptyStack = fullStack + roundUp(magazines, lineWords)
  const firstMagazine = emptyStack + roundUp(magazines, lineWords) + magazineHeader
  const magazineWords = magazineHeader + roundUp(magazineSize, lineWords)
  const states = (firstMagazine - magazineHeader + magazines * magazineWords) * 4
  return { fullStack, emptyStack, firstMagazine, magazineWords, states, end: states + (tracking ? capacity : 0) }
}

/** The part of a pool's range that is before its elements. */
export function bookkeepingOf({ core, offset }: MemoryRange, shape: PoolShape): MemoryRange {
  return { core, offset, length: placesOf(shape).end }
}

/**
 * As many magazines as are ever needed: those that the elements fill, two for each thread, and one more for each
 * thread, since a thread that ends may leave one half full.
 */
export function magazinesNeeded(capacity: number, magazineSize: number): number {
  return Math.ceil(capacity / magazineSize) + 3 * mostParticipants
}

/** Bytes from the start of the first element to the end of the last, when the first starts where a page does. */
export function elementBytes({
  capacity,
  elementSize,
  stride,
  perPage,
  pageShift,
}: Pick<PoolShape, 'capacity' | 'elementSize' | 'stride' | 'perPage' | 'pageShift'>): number {
  const last = capacity - 1
  if (perPage === 0) return last * stride + elementSize
  return Math.floor(last / perPage) * 2 ** pageShift + (last % perPage) * stride + elementSize
}

/** Writes a pool without elements over any memory. No thread can attach before `publishPool`. */
export function writePool(words: Int32Array, shape: PoolShape): void {
  atomicStore(words, headerWord.magic, 0)
  words.fill(0)
  words[headerWord.version] = version
  words[headerWord.capacity] = shape.capacity
  words[headerWord.elementSize] = shape.elementSize
  words[headerWord.stride] = shape.stride
  words[headerWord.perPage] = shape.perPage
  words[headerWord.pageShift] = shape.pageShift
  words[headerWord.magazineSize] = shape.magazineSize
  words[headerWord.magazines] = shape.magazines
  words[headerWord.tracking] = shape.tracking ? 1 : 0
  words[headerWord.elements] = shape.elements / lineBytes
}

/** From now on other threads can attach. */
export function publishPool(words: Int32Array): void {
  atomicStore(words, headerWord.magic, magic) // L1: release, after all else, pairs with L2 in `readPool`
}

/**
 * Reads the shape of the pool in this memory. A thread reads it once: whatever is written there later, the thread uses
 * the shape that was checked.
 *
 * @throws PinfoldError `ERR_POOL_LAYOUT` when there is no pool, or one of another version, or it is larger than the
 *   memory; as `region.view`
 */
export function readPool(range: MemoryRange): PoolShape {
  const { length: bytes } = range
  if (bytes < stacksWord * 4) throw noPool(`${bytes} bytes are too few for one`, { bytes })
  const { buffer, byteOffset } = viewIn(range, 0, lineBytes)
  const words = new Int32Array(buffer, byteOffset, lineWords)
  const word = (at: number) => words[at]
  const mark = atomicLoad(words, headerWord.magic) // L2: acquire, before all else, pairs with L1 in `publishPool`
  if (mark !== magic) throw noPool('createBufferPool has made none there', {})
  const found = word(headerWord.version)
  if (found !== version) throw noPool(`expected version ${version}, found ${found}`, { version: found })
  const shape: PoolShape = {
    capacity: word(headerWord.capacity),
    elementSize: word(headerWord.elementSize),
    stride: word(headerWord.stride),
    perPage: word(headerWord.perPage),
    pageShift: word(headerWord.pageShift),
    magazineSize: word(headerWord.magazineSize),
    magazines: word(headerWord.magazines),
    tracking: word(headerWord.tracking) === 1,
    elements: word(headerWord.elements) * lineBytes,
  }
  if (!isPossible(shape, bytes))
    throw noPool('its header contradicts itself, or needs more memory than there is', { ...shape, bytes })
  return shape
}

function isPossible(shape: PoolShape, bytes: number): boolean {
  const { capacity, elementSize, stride, perPage, pageShift, magazineSize, magazines, elements } = shape
  const isPositive = [capacity, elementSize, stride, magazineSize, elements].every((value) => value > 0)
  if (!isPositive || perPage < 0 || pageShift < 0 || pageShift > 30 || stride < elementSize) return false
  if (perPage > 0 && perPage * stride > 2 ** pageShift) return false
  if (magazines !== magazinesNeeded(capacity, magazineSize) || placesOf(shape).end > elements) return false
  return elements + elementBytes(shape) <= bytes
}

function noPool(why: string, values: Readonly<Record<string, unknown>>): PinfoldError {
  return new PinfoldError(`attachBufferPool: no pool in this memory: ${why}`, { code: 'ERR_POOL_LAYOUT', values })
}

export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}
