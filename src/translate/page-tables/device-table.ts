import { PinfoldError } from '../../errors.js'

/** Properties of every device page table, whatever its layout. */
export interface DeviceTable {
  /** Name of the layout. */
  readonly layout: string
  /** Bytes of memory that the table describes. */
  readonly length: number
  /** Entries that point to memory. Pointers from one part of the table to another do not count. */
  readonly entries: number
  /** Bytes of the table itself, with its inner pointers. Larger pages reduce them. */
  readonly bytes: number
}

/**
 * The most entries of a table that is built here. 2^27 entries describe 512 GiB in 4 KiB pages, and take 1 GiB as
 * 64-bit words. If a table needs more, its page size is a mistake, so the table is refused before it is allocated.
 */
export const maximumEntries = 2 ** 27

/** @throws PinfoldError `ERR_OUT_OF_RANGE` when a table would have more than `maximumEntries` */
export function checkEntries(layout: string, entries: number): number {
  if (entries <= maximumEntries) return entries
  throw new PinfoldError(`a ${layout} can have at most ${maximumEntries} entries, but this one needs ${entries}`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { entries, maximumEntries },
  })
}
