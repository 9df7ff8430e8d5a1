import { PinfoldError } from '../errors.js'
import { type MemoryRange, viewIn } from '../memory/region-memory.js'
import { describe } from '../sizes.js'
import type { PoolShape } from './layout.js'

/** Knows where the bytes of memory physically are: a Translation. */
export interface Translates {
  physicalAt(offset: number): number
}

/** Names memory to a device: a Registration. */
export interface Registers<Entry> {
  /** Where the registered memory starts in its region; undefined when it belongs to no region. */
  readonly offset: number | undefined
  slice(offset: number, length: number): Entry
}

/** Where the elements of a pool lie in its memory. */
export class PoolElements {
  declare readonly capacity: number
  declare private readonly size: number
  /** Bytes from the pool's start to the first element. */
  declare private readonly start: number
  declare private readonly stride: number
  declare private readonly perPage: number
  declare private readonly pageSize: number
  declare private readonly range: MemoryRange
  /** The views that were made. A plain field: V8 checks a # field at each access. */
  declare private readonly views: Uint8Array<ArrayBuffer>[]

  constructor(range: MemoryRange, { capacity, elementSize, elements, stride, perPage, pageShift }: PoolShape) {
    this.range = range
    this.views = []
    this.capacity = capacity
    this.size = elementSize
    this.start = elements
    this.stride = stride
    this.perPage = perPage
    this.pageSize = 2 ** pageShift
  }

  /** True if the caller's value is the number of an element. */
  has(index: number): boolean {
    return typeof index === 'number' && index >>> 0 === index && index < this.capacity
  }

  /** The error for a value that is not the number of an element. */
  wrong(subject: string, index: number): PinfoldError {
    const expected = `a whole number from 0 to ${this.capacity - 1}`
    return new PinfoldError(`${subject}: expected ${expected}, received ${describe(index)}`, {
      code: 'ERR_POOL_INDEX',
      values: { index, capacity: this.capacity },
    })
  }

  /** Bytes from the pool's start to an element. */
  offset(index: number): number {
    const { start, stride, perPage } = this
    if (perPage === 0) return start + index * stride
    const page = Math.floor(index / perPage)
    return start + page * this.pageSize + (index - page * perPage) * stride
  }

  /** The element that contains the byte at `offset` of the pool; undefined when the byte lies between elements. */
  indexAt(offset: number): number | undefined {
    const { start, stride, perPage, pageSize } = this
    const from = offset - start
    const page = perPage === 0 ? 0 : Math.floor(from / pageSize)
    const inPage = Math.floor((from - page * pageSize) / stride)
    const index = perPage === 0 ? inPage : page * perPage + Math.min(perPage - 1, inPage)
    return this.has(index) && offset - this.offset(index) < this.size ? index : undefined
  }

  /** The bytes of an element. The same view each time, until the region is closed. */
  view(index: number): Uint8Array<ArrayBuffer> {
    const kept = this.views[index]
    if (kept !== undefined && kept.byteLength > 0) return kept
    const made = viewIn(this.range, this.offset(index), this.size)
    this.views[index] = made
    return made
  }
}
