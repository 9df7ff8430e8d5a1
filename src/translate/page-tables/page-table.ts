import { checked } from '../../options.js'
import { mergedRuns, type Run } from '../runs.js'
import { checkEntries, type DeviceTable } from './device-table.js'
import { powerOfTwo } from './options.js'
import { impossible, lengthOf, pageAlignment, pagesOf } from './pages.js'

/** A flat list of whole pages: entry `i` is for the bytes from `i * pageSize` on. */
export interface PageTable extends DeviceTable {
  readonly layout: 'page table'
  /** Bytes of each page. */
  readonly pageSize: number
  /** Device address of each page, a multiple of `pageSize`. */
  readonly addresses: Float64Array
}

/**
 * The simplest table: one 64-bit address a page, as in an mlx5 MTT, without its flag bits (Linux,
 * include/linux/mlx5/device.h, struct mlx5_mtt; big-endian there).
 *
 * Every page lies wholly inside the runs, so a device that checks no bounds itself reaches no other memory. For a
 * device that checks bounds itself, `pageList` makes a list whose first and last page may reach beyond the runs.
 *
 * @param pageSize bytes of a page, a power of two, or as '2MiB'
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` on a wrong run or page size, `ERR_LAYOUT_IMPOSSIBLE` when a run does not
 * start and end on a page boundary (its `values` tell which, and `bestPageSize`), `ERR_OUT_OF_RANGE` when there are
 * more than 2^27 pages
 */
export function pageTable(runs: readonly Run[], pageSize: number | string): PageTable {
  const layout = 'page table'
  const merged = mergedRuns(runs)
  const bytes = checked(layout, powerOfTwo, pageSize)
  const length = lengthOf(merged)
  const alignment = pageAlignment(merged, 0)
  alignment.add(length)
  if (alignment.bytes < bytes) throw impossible(layout, merged, 0, bytes, alignment.bytes)
  const entries = checkEntries(layout, length / bytes)
  return { layout, length, entries, bytes: entries * 8, pageSize: bytes, addresses: pagesOf(merged, bytes, entries) }
}
