import { formatAddress, type PhysicalAddress } from '../addresses.js'
import { floor, max, min } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { unreadable } from '../options.js'
import { describe } from '../sizes.js'
import type { Steps } from './turns.js'

/** Runs that one step makes at most, which takes half a millisecond. */
export const runsAtATime = 4096

/**
 * A physically contiguous stretch of a region.
 *
 * Lengths are in bytes. A run never crosses the end of the region. Two neighbouring runs can never be merged, unless a
 * `maxLength` cut them. So a list of runs is the shortest that describes its range.
 */
export interface Run {
  /** Start of the run in the region, in bytes. */
  readonly offset: number
  /**
   * Physical address of the first byte (guest-physical in a virtual machine). The number is exact, since an address has
   * at most 52 bits. In a list for a device behind an IOMMU, it is the address that the device uses (IOVA), below 2^53.
   */
  readonly physicalAddress: PhysicalAddress
  readonly length: number
}

/**
 * The shortest list of runs that describes a range of pages, in order.
 *
 * The caller has checked that `within` lies inside the pages, and can better explain why a page is not known. This
 * function refuses an unknown page inside the range all the same, since no run may ever name a wrong address.
 *
 * @param pages physical address of each page, in bytes; negative where it is not known
 * @param pageSize bytes of each page
 * @param within range in bytes; the first and the last run are cut to it. Default: all pages
 * @param maxLength longest run in bytes: longer ones are cut, as few times as possible. Default: no limit
 * @throws PinfoldError `ERR_PAGE_ABSENT` if a page of the range is not known, `ERR_OUT_OF_RANGE` for more than 2^22
 * runs
 */
export function runsOf(
  pages: Float64Array,
  pageSize: number,
  within: { readonly offset: number; readonly length: number } = { offset: 0, length: pages.length * pageSize },
  maxLength = Number.POSITIVE_INFINITY,
): Run[] {
  const { offset, length } = within
  const list = new RunList(pageSize, offset, offset + length, maxLength)
  const first = Math.floor(offset / pageSize)
  list.add(first * pageSize, pages.subarray(first, length === 0 ? first : Math.ceil((offset + length) / pageSize)))
  return list.end()
}

/**
 * Makes the shortest list of runs of pages that are added in order, cut to the range [begin, end) and into pieces of at
 * most `maxLength` bytes.
 */
export class RunList {
  readonly #runs: Run[] = []
  readonly #pageSize: number
  readonly #begin: number
  readonly #end: number
  readonly #maxLength: number
  /** Offset and address of the run that the next page may continue. */
  #from = 0
  #address = Number.NaN
  /** Where the next page starts. */
  #next = 0

  constructor(pageSize: number, begin: number, end: number, maxLength = Number.POSITIVE_INFINITY) {
    this.#pageSize = pageSize
    this.#begin = begin
    this.#end = end
    this.#maxLength = maxLength
  }

  /**
   * Adds pages: those behind the ones that were added before, or the first.
   *
   * @param offset where the first of them starts, in bytes
   * @param pages physical address of each page; negative where it is not known
   * @throws PinfoldError as `runsOf`
   */
  add(offset: number, pages: Float64Array): void {
    const pageSize = this.#pageSize
    let expected = this.#address + (offset - this.#from)
    for (let index = 0; index < pages.length; index++) {
      const address = pages[index] ?? -1
      // An unknown page always gets here: its address is negative, and the address expected after a known page is not.
      // So does the first page, since NaN equals nothing.
      if (address !== expected) {
        const at = offset + index * pageSize
        this.#close(at)
        this.#address = known(address, at / pageSize)
        this.#from = at
      }
      expected = address + pageSize
    }
    this.#next = offset + pages.length * pageSize
  }

  /**
   * Adds what is sure already of the last run: its pieces of `maxLength`, in steps. Without it they are added at once when
   * the run ends.
   *
   * @throws PinfoldError as `runsOf`
   */
  *cut(): Steps<void> {
    const maxLength = this.#maxLength
    const end = min(this.#next, this.#end)
    const skipped = max(0, this.#begin - this.#from)
    this.#from += skipped
    this.#address += skipped
    const pieces = floor(max(0, end - this.#from) / maxLength)
    requireRoom(this.#runs, pieces, maxLength)
    for (let piece = 1; piece <= pieces; piece++) {
      this.#runs.push({ offset: this.#from, physicalAddress: this.#address, length: maxLength })
      this.#from += maxLength
      this.#address += maxLength
      if (piece % runsAtATime === 0) yield
    }
  }

  /** Ends the list, and returns it. @throws PinfoldError as `runsOf` */
  end(): Run[] {
    this.#close(this.#next)
    return this.#runs
  }

  /** Adds the run that ends at offset `to`, if there is one. */
  #close(to: number): void {
    if (Number.isNaN(this.#address)) return
    pushCut(this.#runs, this.#from, this.#address, to, this.#begin, this.#end, this.#maxLength)
  }
}

function known(address: number, page: number): PhysicalAddress {
  if (address >= 0) return address
  throw new PinfoldError(`the physical address of page ${page} is not known`, {
    code: 'ERR_PAGE_ABSENT',
    values: { page },
  })
}

/** The most Run objects that a JavaScript heap of usual size has place for: 2^22 take 300 MB. */
const mostRuns = 2 ** 22

function requireRoom(runs: readonly Run[], more: number, maxLength: number): void {
  if (runs.length + more <= mostRuns) return
  const cut = maxLength === Number.POSITIVE_INFINITY ? '' : ` of at most ${maxLength} bytes`
  throw new PinfoldError(`runs: there are more than ${mostRuns} runs${cut}`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { maximumRuns: mostRuns, maxLength },
    hint: 'translation.runs({ within: [offset, length] })',
  })
}

/** Adds the stretch [from, to) that starts at `address`, cut to [begin, end) and into pieces of at most `maxLength`. */
function pushCut(
  runs: Run[],
  from: number,
  address: PhysicalAddress,
  to: number,
  begin: number,
  end: number,
  maxLength: number,
): void {
  const last = Math.min(to, end)
  const length = last - Math.max(from, begin)
  requireRoom(runs, length > 0 ? Math.max(1, Math.ceil(length / maxLength)) : 0, maxLength)
  for (let offset = Math.max(from, begin); offset < last; offset += maxLength) {
    runs.push({ offset, physicalAddress: address + (offset - from), length: Math.min(maxLength, last - offset) })
  }
}

/**
 * Checks a caller's runs, and merges contiguous neighbours. So every device page table is as short as possible, even if
 * a `maxLength` cut the runs.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` when there is no run, or when a run is not made of safe integers, is
 * empty, or does not start at the end of the previous run
 */
export function mergedRuns(runs: readonly Run[]): readonly Run[] {
  try {
    return checkedRuns(runs)
  } catch (error) {
    throw error instanceof PinfoldError ? error : unreadable('runs', runs, error)
  }
}

function checkedRuns(runs: readonly Run[]): readonly Run[] {
  if (Array.isArray(runs) && runs.length > mostRuns) {
    throw new PinfoldError(`expected at most ${mostRuns} runs, but received ${runs.length}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { runs: runs.length, most: mostRuns },
    })
  }
  if (!Array.isArray(runs) || runs.length === 0) {
    throw new PinfoldError(`expected one or more runs, but received ${describe(runs)}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { runs: Array.isArray(runs) ? 0 : undefined },
    })
  }
  let isMergeable = false
  let nextOffset = 0
  let nextAddress = 0
  for (let index = 0; index < runs.length; index++) {
    const { offset, physicalAddress, length } = checkedRun(runs[index], index)
    if (index > 0 && offset !== nextOffset) throw gap(index, offset, nextOffset)
    isMergeable ||= index > 0 && physicalAddress === nextAddress
    nextOffset = offset + length
    nextAddress = physicalAddress + length
  }
  // Most callers pass the result of runsOf, which needs no copy.
  return isMergeable ? merge(runs) : runs
}

function merge(runs: readonly Run[]): Run[] {
  const merged: Run[] = []
  let open: { offset: number; physicalAddress: number; length: number } | undefined
  for (const { offset, physicalAddress, length } of runs) {
    if (open !== undefined && physicalAddress === open.physicalAddress + open.length) {
      open.length += length
    } else {
      open = { offset, physicalAddress, length }
      merged.push(open)
    }
  }
  return merged
}

function checkedRun(run: Run | null | undefined, index: number): Run {
  if (run !== null && run !== undefined) {
    const { offset, physicalAddress, length } = run
    const isMadeOfAddresses = isAddress(offset) && isAddress(physicalAddress) && isAddress(length) && length > 0
    if (isMadeOfAddresses && isAddress(offset + length) && isAddress(physicalAddress + length)) return run
  }
  const { offset, physicalAddress, length } = run ?? {}
  throw new PinfoldError(
    `expected runs[${index}] to have an offset, a physicalAddress and a length (> 0) that are safe integers of ` +
      `bytes, also when added, but received ${describe(offset)}, ${describe(physicalAddress)} and ${describe(length)}`,
    { code: 'ERR_INVALID_ARGUMENT', values: { run: index, offset, physicalAddress, length } },
  )
}

function isAddress(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function gap(index: number, offset: number, expected: number): PinfoldError {
  return new PinfoldError(
    `expected runs[${index}] to start at ${formatAddress(expected)}, where the run before it ends, but received ` +
      formatAddress(offset),
    { code: 'ERR_INVALID_ARGUMENT', values: { run: index, offset, expected } },
  )
}
