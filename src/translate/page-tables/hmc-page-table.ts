import * as z from 'zod/mini'
import { formatAddress } from '../../addresses.js'
import { PinfoldError } from '../../errors.js'
import { checked, later, optionsOf } from '../../options.js'
import { mergedRuns, type Run } from '../runs.js'
import type { DeviceTable } from './device-table.js'
import { tablePages } from './options.js'
import { impossible, lengthOf, pageAlignment } from './pages.js'

// Sizes and bits as in Linux, drivers/infiniband/hw/irdma/hmc.h (IRDMA_HMC_DIRECT_BP_SIZE, IRDMA_HMC_PAGED_BP_SIZE,
// IRDMA_HMC_PD_CNT_IN_SD, IRDMA_HMC_MAX_SD_COUNT) and irdma.h (IRDMA_PFHMC_SDDATALOW_*); the same in FreeBSD,
// sys/dev/irdma/irdma_hmc.h and irdma.h.
const segmentSize = 2 ** 21
const pageSize = 2 ** 12
const pagesInSegment = segmentSize / pageSize
const mostSegments = 8192

const validBit = 1n
const directBit = 1n << 1n
const countShift = 2n
const countMask = 0x3ffn
const addressMask = ~0xfffn

const options = later(() =>
  optionsOf<HmcPageTableOptions>()({
    firstSegment: z._default(z.int().check(z.nonnegative()), 0),
    maxSegments: z._default(z.int().check(z.positive(), z.maximum(mostSegments)), mostSegments),
    descriptorPages: z.optional(tablePages),
  }),
)

/** Options of `hmcPageTable`. */
export interface HmcPageTableOptions {
  /**
   * Index of the first segment descriptor: the start of the memory in the function's private memory, in units of 2 MiB.
   * Default: 0.
   */
  readonly firstSegment?: number | undefined
  /**
   * Number of the function's segment descriptors, which the adapter reports (Query FPM Values). Default: 8192, which is
   * also the maximum.
   */
  readonly maxSegments?: number | undefined
  /**
   * Device addresses of the 4 KiB pages for the page descriptors, 4 KiB-aligned. The table uses one for each paged
   * segment, in order, and ignores the rest. Default: none; the result then says how many are needed.
   */
  readonly descriptorPages?: readonly number[] | undefined
}

/** A segment that is backed by 2 MiB of physically contiguous, aligned memory. */
export interface HmcDirectSegment {
  readonly type: 'direct'
  readonly index: number
  /** Device address of the 2 MiB. */
  readonly address: number
}

/** A segment that is backed by 4 KiB pages. */
export interface HmcPagedSegment {
  readonly type: 'paged'
  readonly index: number
  /** Device address of the page for the page descriptors; undefined while there are no `descriptorPages`. */
  readonly address: number | undefined
  /** 512 page descriptors, to be written there (64-bit little-endian). Those past the end of the memory are 0. */
  readonly pageDescriptors: BigUint64Array
  /** The number of valid page descriptors. */
  readonly pages: number
}

export type HmcSegment = HmcDirectSegment | HmcPagedSegment

/** `entries` counts the valid descriptors of both levels. `bytes` counts 8 a segment, and whole descriptor pages. */
export interface HmcPageTable extends DeviceTable {
  readonly layout: 'HMC page table'
  readonly firstSegment: number
  readonly segments: readonly HmcSegment[]
  /**
   * The data word of each segment descriptor, from `firstSegment` on; undefined if there are paged segments and no
   * `descriptorPages` yet.
   */
  readonly segmentDescriptors: BigUint64Array | undefined
  /** The number of descriptor pages that the table needs: one for each paged segment. */
  readonly descriptorPagesNeeded: number
}

/**
 * The two-level table with which Intel's E810 class of adapters (and X722 before it) maps host memory as a function's
 * private memory, the host memory cache (HMC). Each segment descriptor (SD) describes 2 MiB. It names either 2 MiB of
 * backing memory directly, or a page of 512 page descriptors (PD) of 4 KiB each.
 *
 * A segment is direct if it is backed by 2 MiB that are contiguous and aligned to 2 MiB, such as a hugepage. The driver
 * gives the adapter 2 MiB from dma_alloc_coherent(), which aligns memory to its size (Linux,
 * Documentation/core-api/dma-api-howto.rst), so no weaker alignment is known to work. A segment that the memory fills
 * only in part is paged, also on a hugepage: a direct segment would give the adapter the rest of the hugepage.
 *
 * The words are those that irdma_set_sd_entry() and irdma_add_pd_table_entry() write (Linux,
 * drivers/infiniband/hw/irdma/hmc.c; FreeBSD, sys/dev/irdma/irdma_hmc.c). SD: bit 0 valid, bit 1 direct, bits 11:2
 * count of backing pages (always 512), bits 63:12 address. PD: bit 0 valid, bits 63:12 address.
 *
 * Without `descriptorPages`, the result says how many are needed. Allocate them, translate them, and call again.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` on a wrong run or option, or too few or misaligned `descriptorPages`,
 * `ERR_LAYOUT_IMPOSSIBLE` when a run does not start and end on a 4 KiB boundary, `ERR_OUT_OF_RANGE` when there are more
 * segments than the function has
 */
export function hmcPageTable(runs: readonly Run[], given: HmcPageTableOptions = {}): HmcPageTable {
  const layout = 'HMC page table'
  const merged = mergedRuns(runs)
  const { firstSegment, maxSegments, descriptorPages } = checked(layout, options, given)
  const length = lengthOf(merged)
  const alignment = pageAlignment(merged, 0)
  alignment.add(length)
  if (alignment.bytes < pageSize) throw impossible(layout, merged, 0, pageSize, alignment.bytes)
  const count = Math.ceil(length / segmentSize)
  if (firstSegment + count > maxSegments) {
    throw new PinfoldError(
      `${count} segments of 2MiB from segment ${firstSegment} on exceed the function's ${maxSegments} segments`,
      { code: 'ERR_OUT_OF_RANGE', values: { segments: count, firstSegment, maxSegments } },
    )
  }

  const backings = segmentBackings(merged, length)
  const descriptorPagesNeeded = backings.filter((backing) => typeof backing !== 'number').length
  if (descriptorPages !== undefined) checkDescriptorPages(descriptorPages, descriptorPagesNeeded)
  const pagesLeft = descriptorPages?.values()
  const segments = backings.map((backing, index): HmcSegment => {
    if (typeof backing === 'number') return { type: 'direct', index: firstSegment + index, address: backing }
    const { pageDescriptors, pages } = backing
    return { type: 'paged', index: firstSegment + index, address: pagesLeft?.next().value, pageDescriptors, pages }
  })

  return {
    layout,
    length,
    entries: segments.reduce((sum, segment) => sum + 1 + (segment.type === 'paged' ? segment.pages : 0), 0),
    bytes: count * 8 + descriptorPagesNeeded * pageSize,
    firstSegment,
    segments,
    segmentDescriptors: segmentWords(segments),
    descriptorPagesNeeded,
  }
}

type PagedBacking = Pick<HmcPagedSegment, 'pageDescriptors' | 'pages'>

/** The backing of each segment: the address of 2 MiB, or page descriptors. */
function segmentBackings(runs: readonly Run[], length: number): (number | PagedBacking)[] {
  const backings: (number | PagedBacking)[] = []
  const base = runs.at(0)?.offset ?? 0
  let index = 0
  for (let begin = 0; begin < length; begin += segmentSize) {
    const end = Math.min(begin + segmentSize, length)
    const pageDescriptors: bigint[] = []
    let direct: number | undefined
    for (let at = begin; at < end && direct === undefined; ) {
      const run = runs[index]
      // The caller has checked that the runs cover the length without gaps, so the loop never ends here.
      if (run === undefined) break
      const runEnd = run.offset - base + run.length
      const address = run.physicalAddress + (at - (run.offset - base))
      const isWhole = at + segmentSize <= runEnd
      if (at === begin && isWhole && address % segmentSize === 0) direct = address
      const stop = Math.min(runEnd, end)
      for (let page = 0; direct === undefined && at + page < stop; page += pageSize) {
        pageDescriptors.push(BigInt(address + page) | validBit)
      }
      at = stop
      if (runEnd <= end) index++
    }
    backings.push(direct ?? { pageDescriptors: filled(pageDescriptors), pages: pageDescriptors.length })
  }
  return backings
}

function filled(pageDescriptors: readonly bigint[]): BigUint64Array {
  const words = new BigUint64Array(pagesInSegment)
  words.set(pageDescriptors)
  return words
}

function segmentWords(segments: readonly HmcSegment[]): BigUint64Array | undefined {
  const words = new BigUint64Array(segments.length)
  for (const [index, { type, address }] of segments.entries()) {
    if (address === undefined) return undefined
    const bits = validBit | (type === 'direct' ? directBit : 0n) | (BigInt(pagesInSegment) << countShift)
    words[index] = BigInt(address) | bits
  }
  return words
}

function checkDescriptorPages(pages: readonly number[], needed: number): void {
  const values = { descriptorPagesNeeded: needed, descriptorPages: pages.length }
  if (pages.length < needed) {
    throw new PinfoldError(`an HMC page table needs ${needed} descriptorPages, but received ${pages.length}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values,
    })
  }
  const page = pages.findIndex((address) => address % pageSize !== 0)
  if (page !== -1) {
    const address = pages[page] ?? 0
    throw new PinfoldError(
      `expected descriptorPages[${page}] to be a multiple of ${pageSize}, but received ${formatAddress(address)}`,
      { code: 'ERR_INVALID_ARGUMENT', values: { ...values, page, address } },
    )
  }
}

// Addresses are numbers here. No page has an address of 2^53 or more, which would be rounded to another number.
const descriptorWord = later(() =>
  z
    .bigint({ error: 'expected a bigint' })
    .check(
      z.refine((word) => word >= 0n && word < 2n ** 53n, { error: 'expected 64 bits, with an address below 2^53' }),
    ),
)

/** A segment descriptor's data word, decoded. */
export interface HmcSegmentDescriptor {
  readonly valid: boolean
  readonly type: 'direct' | 'paged'
  /** The count of backing pages in the descriptor. */
  readonly pages: number
  /** Device address of the 2 MiB, or of the page of descriptors. */
  readonly address: number
}

/**
 * Decodes the data word of a segment descriptor.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` if the word is no bigint of 64 bits, or its address is 2^53 or more
 */
export function decodeHmcSegmentDescriptor(word: bigint): HmcSegmentDescriptor {
  const bits = checked('HMC segment descriptor', descriptorWord, word)
  return {
    valid: (bits & validBit) !== 0n,
    type: (bits & directBit) === 0n ? 'paged' : 'direct',
    pages: Number((bits >> countShift) & countMask),
    address: Number(bits & addressMask),
  }
}

/**
 * Decodes a page descriptor.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` if the word is no bigint of 64 bits, or its address is 2^53 or more
 */
export function decodeHmcPageDescriptor(word: bigint): { readonly valid: boolean; readonly address: number } {
  const bits = checked('HMC page descriptor', descriptorWord, word)
  return { valid: (bits & validBit) !== 0n, address: Number(bits & addressMask) }
}
