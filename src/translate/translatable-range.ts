import { PinfoldError } from '../errors.js'
import { native } from '../native.js'
import { GiB } from '../sizes.js'
import { readRefusal } from './read-refusal.js'

/** Memory of this process that can be translated: whole pages. A region is one. */
export interface TranslatableRange {
  readonly name: string
  /** Virtual address of the first byte, a multiple of the base page. */
  readonly address: bigint
  /** Bytes, a multiple of `pageSize`. */
  readonly size: number
  /** Bytes of a page that is surely contiguous: of a hugetlb page, else of a base page. */
  readonly pageSize: number
  /** Whether its memory is gone. */
  readonly closed: boolean
  /** Calls `listener` once, after it was closed; its translations then close with it. */
  onClose?(listener: () => void): void
}

/**
 * Bytes that one element of a translation stands for: a page, but 2 GiB at most, since an offset in a larger page (16 GiB
 * on arm64 with 64 KiB base pages) would not be a 32-bit number any more. A larger page has several elements.
 */
export function spanOf(range: TranslatableRange): number {
  return Math.min(range.pageSize, 2 * GiB)
}

/** Reads where pages [first, first + pages.length) of a range are, as displacements (displacements.ts). */
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
