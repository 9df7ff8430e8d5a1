import { constants, endianness } from 'node:os'
import { formatAddress, type PhysicalAddress } from '../addresses.js'
import { isSystemFailure, PinfoldError, toPinfoldError } from '../errors.js'
import { native, pageState } from '../native.js'
import { checkRange } from '../options.js'
import { describe } from '../sizes.js'
import { flagsOf, hasFlag, isPageFlag, type PageFlag } from './kernel-page-flags.js'
import { unknownStateOf } from './pagemap.js'
import { capabilityHint, unknownPage } from './unknown-page.js'

const { EACCES, ENOENT, EPERM } = constants.errno

/** Index of the low half of a 64-bit word among its two halves in memory. */
const lowHalf = endianness() === 'LE' ? 0 : 1

const files = { flags: 0, count: 1 } as const
const paths = ['/proc/kpageflags', '/proc/kpagecount']

/** The flags and the map count of a page frame. */
export interface PageFrame {
  /** Physical address of the first byte of the hugetlb page (or of 2 GiB of a larger one), or else of the base page. */
  readonly physicalAddress: PhysicalAddress
  /** In the order of their bit numbers. */
  readonly flags: readonly PageFlag[]
  /**
   * The number of mappings of the frame, in all processes (/proc/kpagecount). A kernel with CONFIG_NO_PAGE_MAPCOUNT
   * reports the average of the pages of a large folio.
   */
  readonly mapCount: number
}

/**
 * Flags and map counts of the page frames of a range. They are read when this object is made, and decoded on request.
 * The object uses 16 bytes a page.
 */
export class PageFlags {
  readonly #places: Float64Array
  readonly #span: number
  readonly #size: number
  readonly #where: string
  readonly #flags: Uint32Array
  readonly #counts: BigUint64Array
  #tally: Readonly<Partial<Record<PageFlag, number>>> | undefined

  /**
   * @param places physical address of each page, or a `pageState`; this object keeps the array
   * @param span bytes of a page
   * @param size bytes of the range
   * @param where the words that follow an offset in an error message: 'of region 'rx''
   * @throws PinfoldError `ERR_PFN_HIDDEN`, `ERR_PERMISSION`, `ERR_UNSUPPORTED`, `ERR_SYSTEM`
   */
  constructor(places: Float64Array, span: number, size: number, where: string) {
    const hidden = places.indexOf(pageState.hidden)
    if (hidden !== -1) {
      throw unknownPage('hidden', `offset ${formatAddress(hidden * span)} ${where}`, { offset: hidden * span })
    }
    this.#places = places
    this.#span = span
    this.#size = size
    this.#where = where
    this.#flags = new Uint32Array(read(files.flags, places).buffer)
    this.#counts = read(files.count, places)
  }

  /**
   * The page frame that contains the byte at `offset`.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE`, `ERR_PAGE_ABSENT`, `ERR_PAGE_SWAPPED`
   */
  at(offset: number): PageFrame {
    const page = this.#pageOf(offset)
    return {
      physicalAddress: this.#places[page] ?? Number.NaN,
      flags: flagsOf(this.#low(page), this.#high(page)),
      mapCount: Number(this.#counts[page]),
    }
  }

  /**
   * Whether a flag is set on the page that contains the byte at `offset`.
   *
   * @throws PinfoldError as `at`, and `ERR_INVALID_ARGUMENT` when there is no such flag
   */
  has(offset: number, flag: PageFlag): boolean {
    if (!isPageFlag(flag)) {
      throw new PinfoldError(`pageFlags: there is no flag ${describe(flag)}`, {
        code: 'ERR_INVALID_ARGUMENT',
        values: { flag },
      })
    }
    const page = this.#pageOf(offset)
    return hasFlag(flag, this.#low(page), this.#high(page))
  }

  /** The number of pages of the range with each flag. Flags that no page has are omitted. */
  get counts(): Readonly<Partial<Record<PageFlag, number>>> {
    this.#tally ??= this.#count()
    return this.#tally
  }

  #count(): Partial<Record<PageFlag, number>> {
    // Most pages of a range have the same flags, so equal words are counted first and decoded afterwards.
    const pagesOf = new Map<number, number>()
    for (let page = 0; page < this.#places.length; page++) {
      if (!((this.#places[page] ?? Number.NaN) >= 0)) continue
      // Named flags reach up to bit 42, so a double holds them exactly.
      const word = (this.#high(page) & 0x1fffff) * 2 ** 32 + this.#low(page)
      pagesOf.set(word, (pagesOf.get(word) ?? 0) + 1)
    }
    const counts: Partial<Record<PageFlag, number>> = {}
    for (const [word, pages] of pagesOf) {
      for (const flag of flagsOf(word >>> 0, Math.floor(word / 2 ** 32))) counts[flag] = (counts[flag] ?? 0) + pages
    }
    return counts
  }

  #pageOf(offset: number): number {
    checkRange('pageFlags', offset, 1, this.#size)
    const page = Math.floor(offset / this.#span)
    const place = this.#places[page] ?? pageState.absent
    if (place >= 0) return page
    throw unknownPage(unknownStateOf(place), `offset ${formatAddress(offset)} ${this.#where}`, { offset })
  }

  #low(page: number): number {
    return this.#flags[page * 2 + lowHalf] ?? 0
  }

  #high(page: number): number {
    return this.#flags[page * 2 + 1 - lowHalf] ?? 0
  }
}

function read(file: number, places: Float64Array): BigUint64Array<ArrayBuffer> {
  const words = new BigUint64Array(places.length)
  try {
    native.readPageWords(file, places, words)
  } catch (error) {
    throw pageWordsRefusal(error, paths[file] ?? '')
  }
  return words
}

/** The error for a failed read of /proc/kpageflags or /proc/kpagecount. */
export function pageWordsRefusal(error: unknown, path: string): PinfoldError {
  const errno = isSystemFailure(error) ? Math.abs(error.errno) : 0
  // The kernel was built without CONFIG_PROC_PAGE_MONITOR.
  if (errno === ENOENT) return toPinfoldError(error, 'ERR_UNSUPPORTED')
  // The files belong to root.
  if (errno !== EPERM && errno !== EACCES) return toPinfoldError(error)
  const denied = toPinfoldError(error, 'ERR_PERMISSION', capabilityHint('SYS_ADMIN', 'DAC_READ_SEARCH'))
  return Object.assign(denied, { message: `${path}: ${denied.message}` })
}
