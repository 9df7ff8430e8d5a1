import { inspect } from 'node:util'
import * as z from 'zod/mini'
import { formatAddress, type PhysicalAddress } from '../addresses.js'
import { ceil, floor, min } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { checked, checkRange, later, optionsObject, signalOption, sizeOption } from '../options.js'
import { describe, formatSize } from '../sizes.js'
import { placeOf, statesOf } from './displacements.js'
import { FrameIndex } from './frame-index.js'
import { closeWithRange } from './open-translations.js'
import { PageFlags } from './page-flags.js'
import { powerOfTwo } from './page-tables/options.js'
import { type PageTable, pageTable } from './page-tables/page-table.js'
import { type PageStates, unknownStateOf } from './pagemap.js'
import { type Run, RunList, runsAtATime } from './runs.js'
import { closedError, readPages, spanOf, type TranslatableRange } from './translatable-range.js'
import { atOnce, type Steps, Turns } from './turns.js'
import { unknownPage } from './unknown-page.js'
import { MoveList, type Verification } from './verification.js'

const rangeShape = () => ({ within: z.optional(z.tuple([z.number(), z.number()])) })
const runsShape = () => ({ ...rangeShape(), maxLength: z.optional(sizeOption) })
const signalShape = () => ({ signal: z.optional(signalOption) })

const rangeOptions = later(() => optionsObject(rangeShape()))
const rangeAsyncOptions = later(() => optionsObject({ ...rangeShape(), ...signalShape() }))
const runsOptions = later(() => optionsObject(runsShape()))
const runsAsyncOptions = later(() => optionsObject({ ...runsShape(), ...signalShape() }))

/** A part of a region, for `region.translate` and `Translation.verify`. */
export interface RangeOptions {
  /** A range of the region as [offset, length] in bytes. Default: all of it. */
  readonly within?: readonly [number, number] | undefined
}

/** Options of `Translation.runs`. */
export interface RunsOptions extends RangeOptions {
  /** Longest run in bytes, or as '4MiB': longer ones are cut, as few times as possible. Default: no limit. */
  readonly maxLength?: number | string | undefined
}

/** What the asynchronous forms take as well. */
export interface AbortOptions {
  /** Ends the work; the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Pages that one step reads, which takes 0.2 ms. */
const pagesAtATime = 4096

/**
 * A snapshot of a region's physical addresses, page by page. It was true when it was read: only registration with a
 * device pins pages, and the kernel may migrate any other page, also a hugetlb or mlocked one. `verify()` reads the
 * pages again and reports the moves.
 *
 * A translation closes with its region. When the region is closed in this thread, every call except for the sizes
 * throws `ERR_REGION_CLOSED`, so no stale address reaches a device.
 *
 * In a virtual machine the addresses are the guest's. Reading them needs CAP_SYS_ADMIN; without it, every page is
 * `hidden`.
 */
export class Translation {
  /** Name of the region. */
  readonly name: string
  /** Where its pages start in the region, in bytes: 0, unless it was made of a part of the region. */
  readonly offset: number
  /** Bytes of its pages. */
  readonly size: number
  /** Bytes of each page, as the region reports them: in a transparent region, those of a base page. */
  readonly pageSize: number

  // For `physicalAt`: the pages, if they start at offset 0, else nothing. V8 checks a # field at each access. It also
  // checks a field that was ever undefined, as a field without `declare` is at first. Such a check would make each call
  // a fifth slower.
  declare private displacements: Float64Array
  declare private readonly shift: number
  declare private readonly inverse: number
  declare private end: number

  readonly #range: TranslatableRange
  readonly #span: number
  /** The number of its first page in the region. */
  readonly #first: number
  /** One displacement for each page (displacements.ts). A translation holds nothing else until a call needs more. */
  #pages: Float64Array
  #states: PageStates | undefined
  #index: FrameIndex | undefined
  #pageFlags: PageFlags | undefined

  /**
   * Made by `translateRegion`.
   *
   * @param displacements one for each page (displacements.ts), or for each 2 GiB of a larger page; the translation
   * keeps the array
   * @param first the number of the first page in the range
   */
  constructor(range: TranslatableRange, displacements: Float64Array, first = 0) {
    this.name = range.name
    this.#range = range
    this.#span = spanOf(range)
    this.#first = first
    this.offset = first * this.#span
    this.size = displacements.length * this.#span
    this.pageSize = range.pageSize
    this.#pages = displacements
    this.displacements = first === 0 ? displacements : nothing
    this.shift = Math.log2(this.#span)
    this.inverse = 1 / this.#span
    this.end = this.offset + this.size
    closeWithRange(range, this)
  }

  /** The number of pages. */
  get pageCount(): number {
    return this.size / this.pageSize
  }

  /**
   * The number of pages in each state. A page of more than 2 GiB counts once for each 2 GiB.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`
   */
  get states(): PageStates {
    this.#requireOpen('states')
    this.#states ??= statesOf(this.#pages)
    return this.#states
  }

  /**
   * Physical address of the byte at `offset`. It costs about a nanosecond below 4 GiB, more above (docs/benchmarks.md).
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when the offset is negative, fractional, not a number, or past the end;
   * `ERR_PAGE_ABSENT`, `ERR_PAGE_SWAPPED` or `ERR_PFN_HIDDEN` that names the offset; `ERR_REGION_CLOSED`
   */
  physicalAt(offset: number): PhysicalAddress {
    // The first comparison rejects offsets that are negative, fractional, not numbers, or longer than 32 bits. Past the
    // end the element is undefined, so the sum is NaN; for an unknown page the sum is negative. The second comparison
    // rejects both. Where V8 inlines this, it knows the type, and the typeof costs nothing.
    if (typeof offset === 'number') {
      const low = offset >>> 0
      if (low === offset) {
        const address = (this.displacements[low >>> this.shift] ?? Number.NaN) + offset
        if (address >= 0) return address
      }
    }
    return this.physicalFar(offset)
  }

  /** As `physicalAt`, for any offset. It finds out which error to throw. */
  private physicalFar(offset: number): PhysicalAddress {
    if (typeof offset === 'number' && offset >= this.offset && offset < this.end && Math.floor(offset) === offset) {
      const address = (this.#pages[Math.floor(offset * this.inverse) - this.#first] ?? Number.NaN) + offset
      if (address >= 0) return address
    }
    throw this.#refusal(offset)
  }

  /**
   * Offset of the byte at a physical address, such as the address in a device's descriptor. It costs some nanoseconds
   * for any page (docs/benchmarks.md). The first call builds an index of 8 to 16 bytes a page.
   *
   * An address outside this region is an error, where DPDK's rte_mem_iova2virt returns NULL. A device that names
   * foreign memory is a fault, and a forgotten check must not turn it into an offset. `contains` answers without an
   * error. If two pages share a frame, the result is the lower offset.
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
   * Whether the byte at a physical address belongs to the region.
   *
   * @throws PinfoldError `ERR_PFN_HIDDEN` when that cannot be known, `ERR_REGION_CLOSED`, `ERR_INVALID_ARGUMENT` if the
   * address is not a number
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
    this.#index ??= new FrameIndex(this.#pages, this.#span, this.#first)
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
    const { within, maxLength } = checked('runs', runsOptions, options)
    return atOnce(this.#runSteps('runs', within, maxLength))
  }

  /**
   * As `runs`, in slices of 5 ms, for regions with many pages.
   *
   * @throws as `runs`, `ERR_REGION_CLOSED` also when the region is closed meanwhile; the signal's reason
   */
  async runsAsync(options: RunsOptions & AbortOptions = {}): Promise<Run[]> {
    this.#requireOpen('runsAsync')
    const { within, maxLength, signal } = checked('runsAsync', runsAsyncOptions, options)
    return new Turns(signal).run(this.#runSteps('runsAsync', within, maxLength))
  }

  *#runSteps(subject: string, within: readonly [number, number] | undefined, maxLength?: number): Steps<Run[]> {
    const { offset, length, first, last } = this.#part(subject, within)
    if (length === 0) return []
    const list = new RunList(this.#span, offset, offset + length, maxLength)
    const pages = ceil(min(pagesAtATime, ((maxLength ?? this.#span) / this.#span) * runsAtATime))
    for (const page of chunks(first, last, pages)) {
      if (page > first) yield
      this.#requireOpen(subject)
      list.add(page * this.#span, this.#addresses(page, min(page + pages, last)))
      yield* list.cut()
    }
    return list.end()
  }

  /** Whether all its pages are one run; false if any page is not known. @throws PinfoldError `ERR_REGION_CLOSED` */
  get contiguous(): boolean {
    this.#requireOpen('contiguous')
    const first = this.#pages[0] ?? Number.NaN
    return first + this.offset >= 0 && this.#pages.every((displacement) => displacement === first)
  }

  /**
   * All its pages as a flat list of whole device pages. docs/device-page-tables.md describes other layouts.
   *
   * @param pageSize bytes of a device page, a power of two, or as '2MiB'
   * @throws PinfoldError as `runs`, and `ERR_LAYOUT_IMPOSSIBLE` when the region is not made of such pages
   */
  pageTable(pageSize: number | string): PageTable {
    this.#requireOpen('pageTable')
    const bytes = checked('page table', powerOfTwo, pageSize) // before this reads the pages, which may be hidden
    return pageTable(this.runs(), bytes)
  }

  /**
   * Flags and map counts of each page's frame (/proc/kpageflags and /proc/kpagecount). They are read at the first call
   * and then kept: a snapshot, like the addresses. Offsets count from the first page of the translation.
   *
   * @throws PinfoldError `ERR_PFN_HIDDEN`, `ERR_PERMISSION`, `ERR_UNSUPPORTED` (a kernel without
   * CONFIG_PROC_PAGE_MONITOR), `ERR_REGION_CLOSED`, `ERR_SYSTEM`
   */
  get pageFlags(): PageFlags {
    this.#requireOpen('pageFlags')
    if (this.#pageFlags === undefined) {
      const places = this.#pages.map((_, index) => this.#placeAt(this.#first + index))
      this.#pageFlags = new PageFlags(places, this.#span, this.size, `of region '${this.name}'`)
    }
    return this.#pageFlags
  }

  /**
   * Reads the pages again, all or those of a part, and reports those that have moved, with their old and new places.
   * The translation itself stays as it is. To get the new addresses, translate the region again.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_PERMISSION`, `ERR_SYSTEM`; `ERR_OUT_OF_RANGE` when `within` is not in
   * the translation; `ERR_INVALID_ARGUMENT`
   */
  verify(options: RangeOptions = {}): Verification {
    this.#requireOpen('verify')
    const { within } = checked('verify', rangeOptions, options)
    return atOnce(this.#verifySteps('verify', within))
  }

  /**
   * As `verify`, in slices of 5 ms, for regions with many pages.
   *
   * @throws as `verify`, `ERR_REGION_CLOSED` also when the region is closed meanwhile; the signal's reason
   */
  async verifyAsync(options: RangeOptions & AbortOptions = {}): Promise<Verification> {
    this.#requireOpen('verifyAsync')
    const { within, signal } = checked('verifyAsync', rangeAsyncOptions, options)
    return new Turns(signal).run(this.#verifySteps('verifyAsync', within))
  }

  *#verifySteps(subject: string, within: readonly [number, number] | undefined): Steps<Verification> {
    const { first, last } = this.#part(subject, within)
    const list = new MoveList()
    const now = new Float64Array(min(pagesAtATime, last - first))
    for (const start of chunks(first, last)) {
      if (start > first) yield
      this.#requireOpen(subject)
      const count = min(pagesAtATime, last - start)
      readPages(this.#range, start, now.subarray(0, count))
      for (let index = 0; index < count; index++) {
        const page = start + index
        const displacement = now[index]
        if (displacement === this.#pages[page - this.#first]) continue
        const offset = page * this.#span
        list.add(offset, this.#span, this.#placeAt(page), placeOf(displacement, offset))
      }
    }
    return { intact: list.pages === 0, moves: list.moves, movedPages: list.pages }
  }

  /**
   * Closes the translation, as closing the region does. From now on, other memory may have its addresses.
   *
   * @internal
   */
  close(): void {
    this.displacements = nothing
    this.#pages = nothing
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

  /** Physical address of a page of the region, or its `pageState`. */
  #placeAt(page: number): number {
    return placeOf(this.#pages[page - this.#first], page * this.#span)
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

  /** A range of the region, and its pages [first, last). @throws PinfoldError `ERR_OUT_OF_RANGE` */
  #part(subject: string, within: readonly [number, number] = [this.offset, this.size]) {
    const [offset, length] = within
    checkRange(`${subject}: within`, offset, length, this.end)
    if (offset < this.offset) {
      throw new PinfoldError(`${subject}: within: only the bytes from ${this.offset} to ${this.end} were translated`, {
        code: 'ERR_OUT_OF_RANGE',
        values: { region: this.name, offset, length, from: this.offset, to: this.end },
      })
    }
    return pagesOf(this.#span, offset, length)
  }

  /** The error that tells why there is no physical address at `offset`. */
  #refusal(offset: number): PinfoldError {
    if (this.#closed) return closedError('physicalAt', this.name)
    if (!Number.isSafeInteger(offset) || offset < this.offset || offset >= this.end) {
      const expected = `a whole number from ${this.offset} to ${this.end - 1}`
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

const nothing = new Float64Array(0)

/** The first pages of the chunks that the pages [first, last) are read in. */
function* chunks(first: number, last: number, size = pagesAtATime): Generator<number, void> {
  for (let page = first; page < last; page += size) yield page
}

/** A range in bytes, and the numbers of the pages [first, last) that it touches. */
function pagesOf(span: number, offset: number, length: number) {
  return { offset, length, first: floor(offset / span), last: ceil((offset + length) / span) }
}

/**
 * Reads the current places of a region's pages, or of the pages of a part: one read of pagemap for each hugetlb page,
 * base pages in bulk (docs/benchmarks.md).
 *
 * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_PERMISSION` when the process may not read its own pagemap,
 * `ERR_SYSTEM`, `ERR_OUT_OF_RANGE` when `within` is empty or not in the region, `ERR_INVALID_ARGUMENT`. An absent,
 * swapped or hidden page is no error here; a call that needs its address throws
 */
export function translateRegion(range: TranslatableRange, options: RangeOptions): Translation {
  const { within } = checked('translate', rangeOptions, options)
  return atOnce(translateSteps('translate', range, within))
}

/** As `translateRegion`, in slices of 5 ms. @throws as it; the signal's reason */
export async function translateRegionAsync(
  range: TranslatableRange,
  options: RangeOptions & AbortOptions,
): Promise<Translation> {
  const { within, signal } = checked('translateAsync', rangeAsyncOptions, options)
  return new Turns(signal).run(translateSteps('translateAsync', range, within))
}

function* translateSteps(
  subject: string,
  range: TranslatableRange,
  within: readonly [number, number] = [0, range.size],
): Steps<Translation> {
  checkRange(`${subject}: within`, ...within, range.size)
  if (within[1] === 0) {
    throw new PinfoldError(`${subject}: within: expected a length of 1 or more, received 0`, {
      code: 'ERR_OUT_OF_RANGE',
      values: { region: range.name, offset: within[0], length: 0 },
    })
  }
  const { first, last } = pagesOf(spanOf(range), ...within)
  const displacements = new Float64Array(last - first)
  for (const page of chunks(first, last)) {
    if (page > first) yield
    if (range.closed) throw closedError(subject, range.name)
    readPages(range, page, displacements.subarray(page - first, min(page + pagesAtATime, last) - first))
  }
  return new Translation(range, displacements, first)
}
