import { inspect } from 'node:util'
import { formatAddress, type VirtualAddress } from '../addresses.js'
import { checkRange } from '../options.js'
import { formatSize } from '../sizes.js'
import type { MappedRegion } from './mapped-region.js'

/** Whether a value is a slice of a region. Neither a Proxy nor an object with the same prototype is one. */
export let isSlice: (value: unknown) => value is Slice

/** A range of a region. It refers to its region, so that the region is not collected before it. */
export class Slice {
  /** The region that it is a range of. */
  readonly region: MappedRegion
  /** Where it starts in its region, in bytes. */
  readonly offset: number
  /** Bytes. */
  readonly length: number

  /** Only in what came out of the constructor, which is frozen: its fields are as `region.slice()` has checked them. */
  readonly #isMade = true

  static {
    isSlice = (value): value is Slice => typeof value === 'object' && value !== null && #isMade in value
  }

  /** Made by `region.slice()`, which has checked the range. */
  constructor(region: MappedRegion, offset: number, length: number) {
    this.region = region
    this.offset = offset
    this.length = length
    Object.freeze(this)
  }

  /** Virtual address of its first byte. */
  get address(): VirtualAddress {
    return this.region.address + BigInt(this.offset)
  }

  /** All of it, as a view. @throws PinfoldError as `region.view` */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.region.view(this.offset, this.length)
  }

  /** A view of `length` bytes at `offset` of the slice. @throws PinfoldError as `region.view` */
  view(offset: number, length: number): Uint8Array<ArrayBuffer> {
    checkRange('view', offset, length, this.length)
    return this.region.view(this.offset + offset, length)
  }

  /** A range of this range, of the same region. @throws PinfoldError as `region.slice` */
  slice(offset: number, length: number): Slice {
    checkRange('slice', offset, length, this.length)
    return this.region.slice(this.offset + offset, length)
  }

  [inspect.custom](): string {
    return `Slice of '${this.region.name}' { ${formatSize(this.length)} at ${formatAddress(this.offset)} }`
  }
}
