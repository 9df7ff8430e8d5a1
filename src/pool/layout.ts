import { atomicLoad, atomicStore } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import type { RegionMemory } from '../memory/region-memory.js'
import { mostParticipants, participantAt } from '../threads/participants.js'

/**
 * A pool in memory, in 32-bit words of the machine's byte order. Nothing in it depends on one process.
 *
 *     line  0   what it is: written once, before anybody attaches
 *     line  2   the depot's: who has it, and how many magazines lie on each of its two stacks
 *     line  4   tickets of those that wait
 *     line  6   64 lines, one a thread that takes part (ring-participants.ts)
 *     line 70   64 lines, one for each of these: its ticket, its place among those that wait, its counters
 *     line 134  the depot's stacks, of magazine numbers
 *               the magazines: a line with count and owner, then that many element numbers
 *               with tracking, a byte an element: who has taken it
 *               the elements, from the next multiple of their alignment on
 *
 * A magazine holds numbers of free elements. A thread works with two of its own, and exchanges an empty one for a full
 * one, or the other way round, at the depot. What a magazine holds moves with it, so an exchange copies nothing, and
 * whoever finds a thread dead takes its magazines as they are. (Bonwick and Adams, Magazines and Vmem, USENIX 2001.)
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
  /** Magazines on the stack of those with elements, and of those without. */
  full: 2 * lineWords + 1,
  empty: 2 * lineWords + 2,
  /** What is moved from one magazine to another: where their numbers start, and their counts afterwards. */
  isPouring: 2 * lineWords + 3,
  source: 2 * lineWords + 4,
  target: 2 * lineWords + 5,
  sourceCount: 2 * lineWords + 6,
  targetCount: 2 * lineWords + 7,
} as const

/** The number that the next waiter draws, and whether one may be waiting. */
export const waitWord = { next: 4 * lineWords, isSomebody: 4 * lineWords + 1 } as const

export const threadsWord = participantAt(mostParticipants)
export const threadWords = 2 * lineWords
/** Of a thread, by the line of its participant. Written by that thread, or by who has the depot when it is dead. */
export const threadWord = {
  /** Its ticket, by which it is known whether it lives. */
  ticket: 0,
  /** The number that its first waiter has drawn, plus 1; 0: nobody waits there. */
  waiting: 2,
  /** -1 when others wait, so that what it frees goes to the depot. Written by those that wait. */
  isAsked: 3,
  refills: 4,
  flushes: 5,
  failures: 6,
  /** Elements of calls that had to fetch a magazine first. */
  missed: 7,
} as const

const stacksWord = threadsWord + mostParticipants * threadWords
/** Before a magazine's numbers. The word two before them says how many there are: at an even place, as the numbers begin. */
export const magazineHeader = lineWords
export const magazineWord = { count: -2, owner: -lineWords } as const

const magic = 0x4c4f4f50 // 'POOL', as its bytes are in memory
// 2: a thread writes down its time namespace and boot too (ring-participants.ts).
const version = 2

/** What a pool is, once and for all. */
export interface PoolShape {
  readonly capacity: number
  /** Bytes that an element's user has. */
  readonly elementSize: number
  /** Bytes from one element to the next within a page. */
  readonly stride: number
  /** Elements in a page that none of them crosses; 0: they follow each other throughout. */
  readonly perPage: number
  readonly pageShift: number
  readonly magazineSize: number
  readonly magazines: number
  readonly tracking: boolean
  /** Bytes from the start to the first element. */
  readonly elements: number
}

/** Where the parts of it start: in words, but for `states`, which is in bytes. */
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

/**
 * Magazines that are always enough: those that the elements fill, two for each thread, and as many for what threads that
 * end leave half full.
 */
export function magazinesNeeded(capacity: number, magazineSize: number): number {
  return Math.ceil(capacity / magazineSize) + 3 * mostParticipants
}

/** Bytes that the elements take, from the first one's start to the last one's end, when they start where a page does. */
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

/** Makes a pool of memory that may have held anything, with no element in it. Its magic comes last. */
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

/** From now on others can attach. */
export function publishPool(words: Int32Array): void {
  atomicStore(words, headerWord.magic, magic)
}

/**
 * What pool lies in the memory. It is read once: whatever is written there later, a thread keeps within what was checked.
 *
 * @throws PinfoldError `ERR_POOL_LAYOUT` when it is none, or none of this version, or larger than the memory; as
 *   `region.view`
 */
export function readPool(memory: RegionMemory, bytes: number): PoolShape {
  if (bytes < stacksWord * 4) throw noPool(`${bytes} bytes are too few`, { bytes })
  const { buffer, byteOffset } = memory.view(0, lineBytes)
  const words = new Int32Array(buffer, byteOffset, lineWords)
  const word = (at: number) => words[at]
  if (atomicLoad(words, headerWord.magic) !== magic) throw noPool('there is none', {})
  const found = word(headerWord.version)
  if (found !== version) throw noPool(`it is of version ${found}, not ${version}`, { version: found })
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
  if (!isPossible(shape, bytes)) throw noPool('what stands there cannot be', { ...shape, bytes })
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
