import * as z from 'zod/mini'
import { PinfoldError } from '../../errors.js'
import { checked, later, list, optionsOf } from '../../options.js'
import type { Size } from '../../sizes.js'
import { mergedRuns, type Run } from '../runs.js'
import { checkEntries, type DeviceTable } from './device-table.js'
import { deviceAddress, powerOfTwo } from './options.js'
import { impossible, lengthOf, pageAlignment, pagesOf, startOf } from './pages.js'

const bitmap = later(() =>
  z.bigint().check(z.refine((bits) => bits > 0n && bits < 2n ** 64n, { error: 'expected a bitmap of 64 bits' })),
)
const sizes = later(() =>
  z.union([bitmap, list(powerOfTwo, { least: 1, most: 64, expected: 'expected a list of page sizes' })], {
    error: 'expected page sizes as a list or as a bitmap (a bigint)',
  }),
)

/**
 * Page sizes of a device: a list, or a bitmap in which bit `n` stands for pages of 2^n bytes, as in a driver's
 * `page_size_cap` (so 0x40201000n is 4KiB, 2MiB and 1GiB). Bits above 52 are ignored.
 */
export type PageSizes = bigint | readonly Size[]

const options = later(() =>
  optionsOf<BestPageSizeOptions>()({
    iova: z.optional(deviceAddress),
  }),
)

/** Options of `bestPageSize`. */
export interface BestPageSizeOptions {
  /**
   * The address that the device will use for the first byte, as a bigint of up to 64 bits or a safe integer. Default:
   * its physical address, which allows the largest pages. A verbs registration uses the virtual address, unless the
   * program chooses another (ibv_reg_mr_iova).
   */
  readonly iova?: bigint | number | undefined
}

/**
 * The largest page size out of `supported` that can describe all of these runs; 0 if no size can.
 *
 * The rules are those of ib_umem_find_best_pgsz (Linux, drivers/infiniband/core/umem.c). The address bits inside a page
 * must be the same in the IOVA and the physical address. A physical discontinuity can only lie on a page boundary of
 * the IOVA. No page is larger than the smallest supported page that contains the whole range. The first and the last
 * page may reach beyond the range, so a device that gets such pages must check bounds itself.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` on a wrong run, page size or IOVA, `ERR_OUT_OF_RANGE` when the range
 * does not fit below 2^64
 */
export function bestPageSize(runs: readonly Run[], supported: PageSizes, given: BestPageSizeOptions = {}): number {
  const layout = 'page list'
  const merged = mergedRuns(runs)
  const candidates = ascending(checked(layout, sizes, supported))
  const { iova = BigInt(startOf(merged)) } = checked(layout, options, given)
  const last = lastAddress(iova, lengthOf(merged))

  const holdsAll = candidates.findIndex((pageSize) => iova / BigInt(pageSize) === last / BigInt(pageSize))
  const alignment = pageAlignment(merged, low(iova)).bytes
  return candidates.slice(0, holdsAll === -1 ? undefined : holdsAll + 1).findLast((size) => size <= alignment) ?? 0
}

const listOptions = later(() =>
  optionsOf<PageListOptions>()({
    pageSize: powerOfTwo,
    iova: z.optional(deviceAddress),
  }),
)

/** Options of `pageList`. */
export interface PageListOptions extends BestPageSizeOptions {
  /** Bytes of a page, or as '2MiB': the result of `bestPageSize`, or any smaller power of two. */
  readonly pageSize: Size
}

/** The pages under a range of device addresses. The first byte lies `firstPageOffset` bytes into the first page. */
export interface PageList extends DeviceTable {
  readonly layout: 'page list'
  readonly pageSize: number
  /** Device address of the first byte. */
  readonly iova: bigint
  /** Offset of the first byte in the first page. */
  readonly firstPageOffset: number
  /** Physical address of each page, a multiple of `pageSize`. */
  readonly addresses: Float64Array
}

/**
 * The list of pages that map a range of device addresses to these runs, as a driver hands it to an RDMA adapter (Linux,
 * include/rdma/ib_umem.h, rdma_umem_for_each_dma_block).
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` on a wrong run or option, `ERR_LAYOUT_IMPOSSIBLE` when the runs cannot be
 * described at that size (its `values` tell which run, and `bestPageSize`), `ERR_OUT_OF_RANGE` when the range does not
 * fit below 2^64, or there are more than 2^27 pages
 */
export function pageList(runs: readonly Run[], given: PageListOptions): PageList {
  const layout = 'page list'
  const merged = mergedRuns(runs)
  const { pageSize, iova = BigInt(startOf(merged)) } = checked(layout, listOptions, given)
  const length = lengthOf(merged)
  lastAddress(iova, length)

  const alignment = pageAlignment(merged, low(iova)).bytes
  if (alignment < pageSize) throw impossible(layout, merged, low(iova), pageSize, alignment)
  const firstPageOffset = startOf(merged) % pageSize
  const entries = checkEntries(layout, Math.ceil((firstPageOffset + length) / pageSize))
  const addresses = pagesOf(merged, pageSize, entries)
  return { layout, length, entries, bytes: entries * 8, pageSize, iova, firstPageOffset, addresses }
}

function ascending(supported: z.output<typeof sizes>): number[] {
  if (typeof supported !== 'bigint') return [...supported].sort((a, b) => a - b)
  return Array.from({ length: 53 }, (_, bit) => bit)
    .filter((bit) => (supported >> BigInt(bit)) & 1n)
    .map((bit) => 2 ** bit)
}

/** The low 52 bits of an address. No page is larger than 2^52, so these bits decide, and sums with them stay exact. */
function low(address: bigint): number {
  return Number(BigInt.asUintN(52, address))
}

function lastAddress(iova: bigint, length: number): bigint {
  const last = iova + BigInt(length) - 1n
  if (last < 2n ** 64n) return last
  throw new PinfoldError(`${length} bytes from IOVA 0x${iova.toString(16)} on reach beyond 64 bits`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { iova, length },
  })
}
