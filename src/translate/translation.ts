import { inspect } from 'node:util'
import * as z from 'zod'
import { formatAddress, type PhysicalAddress } from '../addresses.js'
import { PinfoldError } from '../errors.js'
import { checked, checkRange, optionsObject, sizeOption } from '../options.js'
import { describe, formatSize } from '../sizes.js'
import { placeOf, statesOf } from './displacements.js'
import { FrameIndex } from './frame-index.js'
import { closeWithRange } from './open-translations.js'
import { PageFlags } from './page-flags.js'
import { powerOfTwo } from './page-tables/options.js'
import { type PageTable, pageTable } from './page-tables/page-table.js'
import { type PageStates, unknownStateOf } from './pagemap.js'
import { type Run, runsOf } from './runs.js'
import { closedError, readPages, spanOf, type TranslatableRange } from './translatable-range.js'
import { unknownPage } from './unknown-page.js'
import { MoveList, type Verification } from './verification.js'

const runsOptions = optionsObject({
  within: z.tuple([z.number(), z.number()]).optional(),
  maxLength: sizeOption.optional(),
})

/** Which runs are wanted. */
export interface RunsOptions {
  /** A range of the region as [offset, length] in bytes. Default: all of it. */
  readonly within?: readonly [number, number] | undefined
  /** Longest run in bytes, or as '4MiB': longer ones are cut, as few times as possible. Default: no limit. */
  readonly maxLength?: number | string | undefined
}

const pagesAtATime = 4096

/**
 * A snapshot of a region's physical addresses, page by page, true when it was read: only registration with a device
 * pins pages, and the kernel may migrate any other, hugetlb and mlocked ones included. `verify()` reads again and says
 * what moved. It ends with its region: once that is closed in this thread, every call but the sizes' throws
 * `ERR_REGION_CLOSED`, so that no stale address reaches a device.
 *
 * In a virtual machine the addresses are the guest's. They need CAP_SYS_ADMIN; without it, every page is `hidden`.
 */
export class Translation {
  /** The region's. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** Bytes of each page, as the region tells: of a transparent region the base page. */
  readonly pageSize: number

  // One element a page (displacements.ts), and all that a translation holds until somebody asks for more. V8 checks a #
  // field at each access, and also a field that was ever undefined, as one that is declared without `declare` is at
  // first: a fifth more for each call.
  declare private displacements: Float64Array
  declare private readonly shift: number
  declare private readonly inverse: number
  declare private end: number

  readonly #range: TranslatableRange
  readonly #span: number
  #states: PageStates | undefined
  #index: FrameIndex | undefined
  #pageFlags: PageFlags | undefined

  /**
   * Made by `translateRegion`.
   *
   * @param displacements of each page, as displacements.ts says; kept. Pages of more than 2 GiB have an element for each
   * 2 GiB
   */
  constructor(range: TranslatableRange, displacements: Float64Array) {
    this.name = range.name
    this.size = range.size
    this.pageSize = range.pageSize
    this.#range = range
    this.#span = spanOf(range)
    this.displacements = displacements
    this.shift = Math.log2(this.#span)
    this.inverse = 1 / this.#span
    this.end = range.size
    closeWithRange(range, this)
  }

  /** How many pages there are. */
  get pageCount(): number {
    return this.size / this.pageSize
  }

  /**
   * How many pages are in each state. Pages of more than 2 GiB count once for each 2 GiB.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`
   */
  get states(): PageStates {
    this.#requireOpen('states')
    this.#states ??= statesOf(this.displacements)
    return this.#states
  }

  /**
   * Physical address of the byte at `offset`. It costs about a nanosecond below 4 GiB, more above (docs/benchmarks.md).
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when the offset is negative, fractional, not a number, or past the end;
   * `ERR_PAGE_ABSENT`, `ERR_PAGE_SWAPPED` or `ERR_PFN_HIDDEN` that names the offset; `ERR_REGION_CLOSED`
   */
  physicalAt(offset: number): PhysicalAddress {
    // The first comparison rejects offsets that are negative, fractional, not numbers, or longer than 32 bits. Past the end
    // the element is undefined, so the sum is NaN; for an unknown page the sum is negative. The second comparison rejects
    // both. Where V8 inlines this, it knows the type, and the typeof costs nothing.
    if (typeof offset === 'number') {
      const low = offset >>> 0
      if (low === offset) {
        const address = (this.displacements[low >>> this.shift] ?? Number.NaN) + offset
        if (address >= 0) return address
      }
    }
    return this.physicalFar(offset)
  }

  /** As `physicalAt`, for any offset; tells which error it is. */
  private physicalFar(offset: number): PhysicalAddress {
    if (typeof offset === 'number' && offset >= 0 && offset < this.end && Math.floor(offset) === offset) {
      const address = (this.displacements[Math.floor(offset * this.inverse)] ?? Number.NaN) + offset
      if (address >= 0) return address
    }
    throw this.#refusal(offset)
  }

  /**
   * Offset of the byte at a physical address: what a device's descriptor points at. It costs some nanoseconds for any
   * page (docs/benchmarks.md); the first call builds an index of 8 to 16 bytes a page.
   *
   * An address that is not this region's is an error, where DPDK's rte_mem_iova2virt returns NULL: a device that names
   * foreign memory is a fault, and must not become an offset by neglect. `contains` asks without one. Should two pages
   * share a frame, it is the lower offset.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when no page of the region is there, `ERR_PFN_HIDDEN` when that cannot be
   * known, `ERR_REGION_CLOSED`
   */
  offsetOf(physicalAddress: PhysicalAddress): number {
    const offset = this.#find(physicalAddress)
    if (offset >= 0) return offset
    this.#requireOpen('offsetOf')
    const values = { region: this.name, physicalAddress }
    const isAddress = Number.isSafeInteger(physicalAddress) && physicalAddress >= 0
    if (isAddress && this.states.hidden > 0) throw unknownPage('hidden', `offsetOf: region '${this.name}'`, values)
    const shown = isAddress ? formatAddress(physicalAddress) : describe(physicalAddress)
    throw new PinfoldError(`offsetOf: no page of region '${this.name}' is at physical address ${shown}`, {
      code: 'ERR_OUT_OF_RANGE',
      values,
    })
  }

  /**
   * Whether the byte at a physical address is the region's.
   *
   * @throws PinfoldError `ERR_PFN_HIDDEN` when that cannot be known, `ERR_REGION_CLOSED`, `ERR_INVALID_ARGUMENT` for what
   * is no number
   */
  contains(physicalAddress: PhysicalAddress): boolean {
    if (this.#find(physicalAddress) >= 0) return true
    this.#requireOpen('contains')
    if (typeof physicalAddress !== 'number') {
      throw new PinfoldError(`contains: expected a physical address, received ${describe(physicalAddress)}`, {
        code: 'ERR_INVALID_ARGUMENT',
        values: { physicalAddress },
      })
    }
    if (this.states.hidden === 0) return false
    throw unknownPage('hidden', `contains: region '${this.name}'`, { region: this.name, physicalAddress })
  }

  #find(physicalAddress: PhysicalAddress): number {
    if (!Number.isSafeInteger(physicalAddress) || physicalAddress < 0) return -1
    this.#index ??= new FrameIndex(this.displacements, this.#span)
    return this.#index.offsetOf(physicalAddress)
  }

  /**
   * The shortest list of physically contiguous runs, in order of offset.
   *
   * @throws PinfoldError `ERR_PAGE_ABSENT`, `ERR_PAGE_SWAPPED` or `ERR_PFN_HIDDEN` that names the offset of the first
   * page that is not known; `ERR_OUT_OF_RANGE` when `within` is not in the region, and for more than 2^22 runs;
   * `ERR_INVALID_ARGUMENT`; `ERR_REGION_CLOSED`
   */
  runs(options: RunsOptions = {}): Run[] {
    this.#requireOpen('runs')
    const { within = [0, this.size], maxLength } = checked('runs', runsOptions, options)
    const [offset, length] = within
    checkRange('runs: within', offset, length, this.size)
    if (length === 0) return []
    const first = Math.floor(offset / this.#span)
    const start = first * this.#span
    const pages = this.#addresses(first, Math.ceil((offset + length) / this.#span))
    const runs = runsOf(pages, this.#span, { offset: offset - start, length }, maxLength)
    return start === 0 ? runs : runs.map((run) => ({ ...run, offset: run.offset + start }))
  }

  /** Whether one run is all of it; false also while any page is not known. @throws PinfoldError `ERR_REGION_CLOSED` */
  get contiguous(): boolean {
    this.#requireOpen('contiguous')
    const first = this.displacements[0] ?? Number.NaN
    return first >= 0 && this.displacements.every((displacement) => displacement === first)
  }

  /**
   * All of it as a flat list of whole device pages; see docs/device-page-tables.md for other shapes.
   *
   * @param pageSize bytes of a device page, a power of two, or as '2MiB'
   * @throws PinfoldError as `runs`, and `ERR_LAYOUT_IMPOSSIBLE` when the region is not made of such pages
   */
  pageTable(pageSize: number | string): PageTable {
    this.#requireOpen('pageTable')
    const bytes = checked('page table', powerOfTwo, pageSize) // before the pages are looked at, which may be hidden
    return pageTable(this.runs(), bytes)
  }

  /**
   * What the kernel knows of each page's frame (/proc/kpageflags and /proc/kpagecount), read at the first call and then
   * kept: a snapshot like the addresses that it belongs to.
   *
   * @throws PinfoldError `ERR_PFN_HIDDEN`, `ERR_PERMISSION`, `ERR_UNSUPPORTED` (a kernel without
   * CONFIG_PROC_PAGE_MONITOR), `ERR_REGION_CLOSED`, `ERR_SYSTEM`
   */
  get pageFlags(): PageFlags {
    this.#requireOpen('pageFlags')
    if (this.#pageFlags === undefined) {
      const places = this.displacements.map((displacement, page) => placeOf(displacement, page * this.#span))
      this.#pageFlags = new PageFlags(places, this.#span, this.size, `of region '${this.name}'`)
    }
    return this.#pageFlags
  }

  /**
   * Reads all pages again and tells which of them are not where the translation says: from where to where. It changes
   * nothing: who wants the new addresses translates anew.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_PERMISSION`, `ERR_SYSTEM`
   */
  verify(): Verification {
    this.#requireOpen('verify')
    const list = new MoveList()
    const now = new Float64Array(Math.min(pagesAtATime, this.displacements.length))
    for (let first = 0; first < this.displacements.length; first += now.length) {
      const chunk = now.subarray(0, Math.min(now.length, this.displacements.length - first))
      readPages(this.#range, first, chunk)
      for (const [index, displacement] of chunk.entries()) {
        const page = first + index
        if (displacement === this.displacements[page]) continue
        const offset = page * this.#span
        list.add(offset, this.#span, this.#placeAt(page), placeOf(displacement, offset))
      }
    }
    return { intact: list.pages === 0, moves: list.moves, movedPages: list.pages }
  }

  /**
   * Ends it, as closing the region does: its addresses may belong to somebody else from now on.
   *
   * @internal
   */
  close(): void {
    this.displacements = new Float64Array(0)
    this.end = 0
    this.#index = undefined
    this.#pageFlags = undefined
  }

  [inspect.custom](): string {
    const what = `${this.pageCount} ${this.pageCount === 1 ? 'page' : 'pages'} of ${formatSize(this.pageSize)}`
    if (this.#closed) return `Translation of '${this.name}' { ${what}, closed }`
    const unknown = Object.entries(this.states).filter(([state, pages]) => state !== 'present' && pages > 0)
    return `Translation of '${this.name}' { ${[what, ...unknown.map(([state, pages]) => `${pages} ${state}`)].join(', ')} }`
  }

  get #closed(): boolean {
    return this.end === 0
  }

  #requireOpen(subject: string): void {
    if (this.#closed) throw closedError(subject, this.name)
  }

  /** Physical address of a page, or its `pageState`. */
  #placeAt(page: number): number {
    return placeOf(this.displacements[page], page * this.#span)
  }

  /** Physical addresses of the pages [first, last). */
  #addresses(first: number, last: number): Float64Array {
    const addresses = new Float64Array(last - first)
    for (let page = first; page < last; page++) {
      const address = this.#placeAt(page)
      if (address < 0) throw this.#refusal(page * this.#span)
      addresses[page - first] = address
    }
    return addresses
  }

  /** Why there is no physical address at `offset`. */
  #refusal(offset: number): PinfoldError {
    if (this.#closed) return closedError('physicalAt', this.name)
    if (!Number.isSafeInteger(offset) || offset < 0 || offset >= this.size) {
      const expected = `a whole number from 0 to ${this.size - 1}`
      return new PinfoldError(`physicalAt: offset: expected ${expected}, received ${describe(offset)}`, {
        code: 'ERR_OUT_OF_RANGE',
        values: { region: this.name, offset, size: this.size },
      })
    }
    const state = unknownStateOf(this.#placeAt(Math.floor(offset / this.#span)))
    const place = `offset ${formatAddress(offset)} of region '${this.name}'`
    return unknownPage(state, place, { region: this.name, offset, pageSize: this.pageSize })
  }
}

/**
 * Reads where a region's pages are now: one read of pagemap a hugetlb page, base pages in bulk (docs/benchmarks.md).
 *
 * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_PERMISSION` when the process may not read its own pagemap,
 * `ERR_SYSTEM`. A page that is not present or not shown is no error here, but where its address is asked for
 */
export function translateRegion(range: TranslatableRange): Translation {
  if (range.closed) throw closedError('translate', range.name)
  const displacements = new Float64Array(range.size / spanOf(range))
  readPages(range, 0, displacements)
  return new Translation(range, displacements)
}
