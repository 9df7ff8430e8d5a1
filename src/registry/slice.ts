import { inspect } from 'node:util'
import { formatAddress } from '../addresses.js'
import { coreOf, type MemoryRange, partOf, RegionMemory } from '../memory/region-memory.js'
import { formatSize } from '../sizes.js'
import type { Region } from './region.js'

/** A range of a region. It refers to its region, so that the region is not collected before it. */
export class Slice extends RegionMemory {
  /** The region that it is a range of. */
  readonly region: Region
  /** Where it starts in its region, in bytes. */
  readonly offset: number
  /** Bytes. */
  readonly length: number

  /** Made by `region.slice()`, which has checked the range. */
  constructor(region: Region, { offset, length }: Pick<MemoryRange, 'offset' | 'length'>) {
    super({ core: coreOf(region), offset, length })
    this.region = region
    this.offset = offset
    this.length = length
    Object.freeze(this)
  }

  /** All of it, as a view of up to 2 GiB. @throws PinfoldError as `view` */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.view(0)
  }

  /**
   * A range of `length` bytes of this range, of the same region; without a length it runs to the end of this range.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_OUT_OF_RANGE`
   */
  slice(offset: number, length?: number): Slice {
    return new Slice(this.region, partOf(this, offset, length))
  }

  [inspect.custom](): string {
    return `Slice of '${this.region.name}' { ${formatSize(this.length)} at ${formatAddress(this.offset)} }`
  }
}
