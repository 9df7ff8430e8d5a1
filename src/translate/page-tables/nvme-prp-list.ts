import * as z from 'zod/mini'
import { formatAddress } from '../../addresses.js'
import { PinfoldError } from '../../errors.js'
import { checked, later, optionsOf } from '../../options.js'
import type { Size } from '../../sizes.js'
import { mergedRuns, type Run } from '../runs.js'
import { checkEntries, type DeviceTable } from './device-table.js'
import { powerOfTwo, tablePages } from './options.js'
import { impossible, lengthOf, pageAlignment, pagesOf, startOf } from './pages.js'

/** CC.MPS has 4 bits, and stands for 2^(12 + MPS) bytes (NVM Express Base Specification 2.2, property CC at 14h). */
const smallestPage = 2 ** 12
const largestPage = 2 ** 27

const options = later(() =>
  optionsOf<NvmePrpListOptions>()({
    memoryPageSize: z._default(
      powerOfTwo.check(
        z.refine((bytes) => bytes >= smallestPage && bytes <= largestPage, {
          error: 'expected 4KiB to 128MiB (CC.MPS)',
        }),
      ),
      smallestPage,
    ),
    listPages: z.optional(tablePages),
  }),
)

/** Options of `nvmePrpList`. */
export interface NvmePrpListOptions {
  /**
   * The controller's memory page size (CC.MPS) in bytes, or as '4KiB': a power of two from 4KiB to 128MiB. Default:
   * 4KiB.
   */
  readonly memoryPageSize?: Size | undefined
  /**
   * Device addresses of the pages for the list, in order; pages that are not needed are ignored. The first address may
   * lie inside a page (a multiple of 8). The list then uses the rest of that page. The other addresses are page-aligned.
   * Default: none; the result then says how many are needed.
   */
  readonly listPages?: readonly number[] | undefined
}

/** One page (or the rest of a page) of a PRP list: `words` go to `address`, 64-bit little-endian. */
export interface PrpListPage {
  readonly address: number
  /** The entries in use. If another page follows, the last word is the address of that page. */
  readonly words: BigUint64Array
}

/** The data pointer of one NVMe command. Its `bytes` count PRP1, PRP2 and the list's words. */
export interface NvmePrpList extends DeviceTable {
  readonly layout: 'NVMe PRP list'
  readonly memoryPageSize: number
  /** PRP Entry 1: the address of the first byte, which may lie inside a page. */
  readonly prp1: bigint
  /**
   * PRP Entry 2: 0 (reserved) for one page, the address of the second page for two pages, otherwise the address of the
   * list. It is undefined if a list is needed and there are no `listPages` yet.
   */
  readonly prp2: bigint | undefined
  /** Pages that the list needs. 0 when PRP1 and PRP2 suffice. */
  readonly listPagesNeeded: number
  /** The list, one item for each of its pages; empty while there are no `listPages`. */
  readonly list: readonly PrpListPage[]
}

/**
 * The Physical Region Pages of one NVMe command: PRP1, PRP2 and, where the data touches more than two memory pages, a
 * PRP list.
 *
 * The rules are those of NVM Express Base Specification 2.2, 4.3.1 (figures 109 to 112) and figure 92. Only the first
 * entry may have an offset, which is a multiple of 4. A list has no gaps, and the pointer to its start is a multiple of
 * 8. If the list continues, the last entry of a page is the address of the next page, which is page-aligned.
 *
 * Without `listPages`, the result says how many are needed. Allocate them, translate them, and call again.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` on a wrong run or option, or too few or misaligned `listPages`,
 * `ERR_LAYOUT_IMPOSSIBLE` when runs do not meet on memory page boundaries or the first byte is not dword aligned,
 * `ERR_OUT_OF_RANGE` when there are more than 2^27 pages
 */
export function nvmePrpList(runs: readonly Run[], given: NvmePrpListOptions = {}): NvmePrpList {
  const layout = 'NVMe PRP list'
  const merged = mergedRuns(runs)
  const { memoryPageSize, listPages } = checked(layout, options, given)
  const length = lengthOf(merged)
  const start = startOf(merged)
  if (start % 4 !== 0) {
    throw new PinfoldError(`an ${layout} needs data on a multiple of 4 bytes, not at ${formatAddress(start)}`, {
      code: 'ERR_LAYOUT_IMPOSSIBLE',
      values: { physicalAddress: start },
    })
  }
  const alignment = pageAlignment(merged, start).bytes
  if (alignment < memoryPageSize) throw impossible(layout, merged, start, memoryPageSize, alignment)

  const entries = checkEntries(layout, Math.ceil(((start % memoryPageSize) + length) / memoryPageSize))
  const listWords = entries <= 2 ? 0 : entries - 1
  const listPagesNeeded = pagesForWords(listWords, memoryPageSize, (listPages?.at(0) ?? 0) % memoryPageSize)
  if (listPages !== undefined) checkListPages(listPages, listPagesNeeded, memoryPageSize)
  const addresses = pagesOf(merged, memoryPageSize, entries)
  const list = listPages === undefined ? [] : listOf(addresses, listPages.slice(0, listPagesNeeded), memoryPageSize)

  const second = addresses.at(1)
  const prp2 = entries > 2 ? list.at(0)?.address : (second ?? 0)
  return {
    layout,
    length,
    entries,
    bytes: 16 + 8 * (listWords + Math.max(0, listPagesNeeded - 1)),
    memoryPageSize,
    prp1: BigInt(start),
    prp2: prp2 === undefined ? undefined : BigInt(prp2),
    listPagesNeeded,
    list,
  }
}

/** Pages for a list of `words` entries of 8 bytes that starts `offset` bytes into its first page. */
function pagesForWords(words: number, memoryPageSize: number, offset: number): number {
  const first = Math.floor((memoryPageSize - offset) / 8)
  if (words <= first) return words === 0 ? 0 : 1
  // Each page except the last uses one entry for the pointer to the next page.
  const rest = words - (first - 1)
  const whole = memoryPageSize / 8
  return 1 + Math.max(1, Math.ceil((rest - 1) / (whole - 1)))
}

function checkListPages(listPages: readonly number[], needed: number, memoryPageSize: number): void {
  const values = { listPagesNeeded: needed, listPages: listPages.length, memoryPageSize }
  if (listPages.length < needed) {
    throw new PinfoldError(`an NVMe PRP list needs ${needed} listPages, but received ${listPages.length}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values,
    })
  }
  const page = listPages.slice(0, needed).findIndex((address, index) => address % (index === 0 ? 8 : memoryPageSize))
  if (page !== -1) {
    const multiple = page === 0 ? 8 : memoryPageSize
    const address = listPages[page] ?? 0
    throw new PinfoldError(
      `expected listPages[${page}] to be a multiple of ${multiple}, but received ${formatAddress(address)}`,
      { code: 'ERR_INVALID_ARGUMENT', values: { ...values, page, address } },
    )
  }
}

/** Packs all addresses after the first (which is PRP1) into pages. Each page but the last ends with a pointer. */
function listOf(addresses: Float64Array, pages: readonly number[], memoryPageSize: number): PrpListPage[] {
  let next = 1
  return pages.map((address, index) => {
    const following = pages[index + 1]
    const capacity = (memoryPageSize - (address % memoryPageSize)) / 8
    const taken = following === undefined ? addresses.length - next : capacity - 1
    const words = new BigUint64Array(following === undefined ? taken : capacity)
    for (let word = 0; word < taken; word++) words[word] = BigInt(addresses[next++] ?? 0)
    if (following !== undefined) words[taken] = BigInt(following)
    return { address, words }
  })
}
