import type { PoolShape } from './layout.js'

/** Where each element of a pool lies, in bytes from the pool's start. */
export class ElementPlaces {
  declare private readonly start: number
  declare private readonly stride: number
  declare private readonly perPage: number
  declare private readonly pageSize: number

  constructor({ elements, stride, perPage, pageShift }: PoolShape) {
    this.start = elements
    this.stride = stride
    this.perPage = perPage
    this.pageSize = 2 ** pageShift
  }

  offsetOf(index: number): number {
    const { start, stride, perPage } = this
    if (perPage === 0) return start + index * stride
    const page = Math.floor(index / perPage)
    return start + page * this.pageSize + (index - page * perPage) * stride
  }

  /** The element that has this byte, or that it lies between the end of and the next one's start. */
  indexOf(offset: number): number {
    const { start, stride, perPage, pageSize } = this
    const from = offset - start
    if (perPage === 0) return Math.floor(from / stride)
    const page = Math.floor(from / pageSize)
    return page * perPage + Math.min(perPage - 1, Math.floor((from - page * pageSize) / stride))
  }
}
