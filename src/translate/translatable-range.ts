import { PinfoldError } from '../errors.js'
import { native } from '../native.js'
import { GiB } from '../sizes.js'
import { readRefusal } from './read-refusal.js'

/** Whole pages of this process's memory that can be translated, such as a region. */
export interface TranslatableRange {
  readonly name: string
  /** Virtual address of the first byte, a multiple of the base page. */
  readonly address: bigint
  /** Bytes, a multiple of `pageSize`. */
  readonly size: number
  /** Bytes of a page that is certainly contiguous: of a hugetlb page, or else of a base page. */
  readonly pageSize: number
  /** Whether the memory is gone. */
  readonly closed: boolean
  /** Calls `listener` once, after the range was closed. This closes the translations of the range. */
  onClose?(listener: () => void): void
}

/**
 * Bytes that one element of a translation stands for: a page, but at most 2 GiB. An offset in a larger page (16 GiB on
 * arm64 with 64 KiB base pages) would not be a 32-bit number. A larger page has several elements.
 */
export function spanOf(range: TranslatableRange): number {
  return Math.min(range.pageSize, 2 * GiB)
}

/** Reads the displacements (displacements.ts) of the pages [first, first + pages.length) of a range. */
export function readPages(range: TranslatableRange, first: number, pages: Float64Array): void {
  const span = spanOf(range)
  try {
    native.translate(Number(range.address) + first * span, span, first * span, pages)
  } catch (error) {
    throw readRefusal(error, 0, range.address)
  }
}

export function closedError(subject: string, name: string): PinfoldError {
  return new PinfoldError(`${subject}: region '${name}' is closed`, { code: 'ERR_REGION_CLOSED', values: { name } })
}
