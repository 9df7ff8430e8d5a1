import * as z from 'zod/mini'
import { PinfoldError } from '../../errors.js'
import { checked, later, optionsOf, sizeOption } from '../../options.js'
import type { Size } from '../../sizes.js'
import { mergedRuns, type Run } from '../runs.js'
import { checkEntries, type DeviceTable } from './device-table.js'
import { powerOfTwo } from './options.js'
import { lengthOf } from './pages.js'

const options = later(() =>
  optionsOf<ScatterGatherListOptions>()({
    maxSegmentLength: sizeOption,
    boundary: z.optional(powerOfTwo),
    maxSegments: z.optional(z.int().check(z.positive())),
  }),
)

/** The limits of a device for `scatterGatherList`. Sizes are in bytes, or as '64KiB'. */
export interface ScatterGatherListOptions {
  /**
   * The longest segment that the device takes: the value that a Linux driver passes to dma_set_max_seg_size(). This
   * option has no maximum, but the length field of many devices has only 32 bits.
   */
  readonly maxSegmentLength: Size
  /**
   * No segment crosses a multiple of this power of two. It is the value that a Linux driver passes to
   * dma_set_seg_boundary() or blk_queue_segment_boundary(), plus one: these take the mask 0xffff, this option 65536.
   * Default: no boundary, which is the DMA layer's own default since Linux 5.10.
   */
  readonly boundary?: Size | undefined
  /** The most segments that the device takes in one list. Default: no limit. */
  readonly maxSegments?: number | undefined
}

/** A list of (address, length) pairs. Its `bytes` count 16 a segment. */
export interface ScatterGatherList extends DeviceTable {
  readonly layout: 'scatter-gather list'
  /** Device address of each segment. */
  readonly addresses: Float64Array
  /** Length of each segment in bytes. */
  readonly lengths: Float64Array
}

/**
 * Bytes of one segment: 8 of address, 4 of length, 4 of key or flags. An NVMe SGL descriptor (NVM Express Base
 * Specification 2.2, figure 115), a split virtqueue's descriptor (virtio 1.2, 2.7.5) and an ibv_sge have this size.
 */
const segmentBytes = 16

/**
 * The shortest scatter-gather list of these runs that a device with these limits takes.
 *
 * The limits have the same meaning as in Linux (block/blk-merge.c, get_max_segment_size; include/linux/dma-mapping.h):
 * a segment ends at the end of its run, at `maxSegmentLength`, or before the next multiple of `boundary`, whichever
 * comes first.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` on a wrong run or option, `ERR_LAYOUT_IMPOSSIBLE` when there are more
 * than `maxSegments`, `ERR_OUT_OF_RANGE` when there are more than 2^27
 */
export function scatterGatherList(runs: readonly Run[], limits: ScatterGatherListOptions): ScatterGatherList {
  const layout = 'scatter-gather list'
  const merged = mergedRuns(runs)
  const { maxSegmentLength, boundary, maxSegments } = checked(layout, options, limits)

  let entries = 0
  for (const run of merged) entries += segmentsIn(run, maxSegmentLength, boundary)
  if (maxSegments !== undefined && entries > maxSegments) {
    throw new PinfoldError(`${entries} segments are needed, and the device takes ${maxSegments} in one list`, {
      code: 'ERR_LAYOUT_IMPOSSIBLE',
      values: { entries, maxSegments, maxSegmentLength, boundary },
    })
  }
  checkEntries(layout, entries)

  const addresses = new Float64Array(entries)
  const lengths = new Float64Array(entries)
  let entry = 0
  for (const { physicalAddress, length } of merged) {
    const end = physicalAddress + length
    for (let address = physicalAddress; address < end; ) {
      const toBoundary = boundary === undefined ? Number.POSITIVE_INFINITY : boundary - (address % boundary)
      const taken = Math.min(end - address, maxSegmentLength, toBoundary)
      addresses[entry] = address
      lengths[entry++] = taken
      address += taken
    }
  }
  return { layout, length: lengthOf(merged), entries, bytes: entries * segmentBytes, addresses, lengths }
}

/** The number of segments of a run, computed without a loop: a list that is too long is refused before it is built. */
function segmentsIn({ physicalAddress, length }: Run, maxSegmentLength: number, boundary: number | undefined): number {
  if (boundary === undefined) return Math.ceil(length / maxSegmentLength)
  const head = Math.min(length, boundary - (physicalAddress % boundary))
  const whole = Math.floor((length - head) / boundary)
  const tail = (length - head) % boundary
  return (
    Math.ceil(head / maxSegmentLength) +
    whole * Math.ceil(boundary / maxSegmentLength) +
    Math.ceil(tail / maxSegmentLength)
  )
}
