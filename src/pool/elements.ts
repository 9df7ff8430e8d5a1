import { PinfoldError } from '../errors.js'
import type { AlignedMemory } from '../memory/region-memory.js'
import { checkRange } from '../options.js'
import { describe } from '../sizes.js'
import { ElementPlaces } from './element-places.js'
import type { PoolShape } from './layout.js'

/** What tells where the bytes of memory physically are: a Translation. */
export interface Translates {
  physicalAt(offset: number): number
}

/** What memory is known as to a device, and which part of a region it is: a Registration. */
export interface Registers<Entry> {
  /** Where it starts in its region; undefined when it is none of a region. */
  readonly offset: number | undefined
  slice(offset: number, length: number): Entry
}

/** Where the elements of a pool are: for the CPU, for a device, and for a work request. */
export abstract class PoolElements {
  /** How many elements it has. */
  declare readonly capacity: number
  /** Bytes of each. */
  declare readonly elementSize: number
  declare protected readonly range: AlignedMemory
  declare protected readonly shape: PoolShape
  readonly #places: ElementPlaces
  readonly #views: Uint8Array<ArrayBuffer>[] = []

  constructor(range: AlignedMemory, shape: PoolShape) {
    this.range = range
    this.shape = shape
    this.capacity = shape.capacity
    this.elementSize = shape.elementSize
    this.#places = new ElementPlaces(shape)
  }

  /** Bytes from the pool's start to the element. @throws PinfoldError `ERR_POOL_INDEX` */
  offset(index: number): number {
    if (!this.isElement(index)) throw this.noElement('offset', index)
    return this.#places.offsetOf(index)
  }

  /** The element that has the byte at `offset` of the pool. @throws PinfoldError `ERR_OUT_OF_RANGE` when none has it */
  indexAt(offset: number): number {
    checkRange('indexAt', offset, 1, this.range.length)
    const index = this.#places.indexOf(offset)
    const from = offset - this.#places.offsetOf(Math.max(0, index))
    if (this.isElement(index) && from >= 0 && from < this.elementSize) return index
    throw new PinfoldError(`indexAt: expected a byte of an element, received ${describe(offset)}`, {
      code: 'ERR_OUT_OF_RANGE',
      values: { offset },
    })
  }

  /** The bytes of an element; always the same view, with length 0 once the region is closed. @throws PinfoldError as `offset` */
  view(index: number): Uint8Array<ArrayBuffer> {
    if (!this.isElement(index)) throw this.noElement('view', index)
    const kept = this.#views[index]
    if (kept !== undefined && kept.byteLength > 0) return kept
    const made = this.range.memory.view(this.offset(index), this.elementSize)
    this.#views[index] = made
    return made
  }

  /**
   * Where the element is for a device without an IOMMU.
   *
   * @param translation of the region that the pool lies in: `region.translate()`
   * @throws PinfoldError as `offset` and `translation.physicalAt`
   */
  physicalAt(index: number, translation: Translates): number {
    return translation.physicalAt(this.range.offset + this.offset(index))
  }

  /**
   * The element as memory of a work request: a slice of the registration of its region.
   *
   * @param registration of the region that the pool lies in, or of a part of it that has the element
   * @param length bytes of the element from its start on. Default: all
   * @throws PinfoldError as `offset` and `registration.slice`
   */
  sge<Entry>(index: number, registration: Registers<Entry>, length: number = this.elementSize): Entry {
    checkRange('sge', 0, length, this.elementSize)
    return registration.slice(this.range.offset + this.offset(index) - (registration.offset ?? 0), length)
  }

  protected isElement(index: number): boolean {
    return typeof index === 'number' && index >>> 0 === index && index < this.capacity
  }

  protected noElement(subject: string, index: number): PinfoldError {
    const expected = `a whole number from 0 to ${this.capacity - 1}`
    return new PinfoldError(`${subject}: expected ${expected}, received ${describe(index)}`, {
      code: 'ERR_POOL_INDEX',
      values: { index, capacity: this.capacity },
    })
  }
}
