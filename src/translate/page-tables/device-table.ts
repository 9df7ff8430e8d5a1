import { PinfoldError } from '../../errors.js'

/** What every device page table tells of itself, whatever its layout. */
export interface DeviceTable {
  /** Which layout this is. */
  readonly layout: string
  /** Bytes of memory that the table describes. */
  readonly length: number
  /** Entries that point to memory. Pointers from one part of the table to another do not count. */
  readonly entries: number
  /** Bytes of the table itself, with its inner pointers: what larger pages save. */
  readonly bytes: number
}

/**
 * Most entries of a table that is built here. 2^27 describe 512 GiB in 4 KiB pages, and take 1 GiB as 64-bit words:
 * beyond that, the page size is a mistake, and an allocation of that size is better refused than tried.
 */
export const maximumEntries = 2 ** 27

/** @throws PinfoldError `ERR_OUT_OF_RANGE` when a table would have more than `maximumEntries` */
export function checkEntries(layout: string, entries: number): number {
  if (entries <= maximumEntries) return entries
  throw new PinfoldError(`a ${layout} of ${entries} entries is longer than the ${maximumEntries} that are built here`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { entries, maximumEntries },
  })
}
