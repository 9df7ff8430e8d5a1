import { PinfoldError } from '../../errors.js'
import { poolDirectory, readPool, writeKernelFile } from '../../hugepages/index.js'
import { formatSize } from '../../sizes.js'
import { readKernelFile } from '../../system/kernel-files.js'
import { basePageSize } from '../../system/page-sizes.js'

/** The number of surplus pages that the kernel may make on demand (nr_overcommit_hugepages), before and after. */
export interface OvercommitChange {
  readonly before: number
  readonly after: number
}

/**
 * Lets a pool grow on demand by up to `pages`, and then calls `rest`. If `rest` throws, the old limit is restored.
 *
 * @throws PinfoldError `ERR_PERMISSION`, `ERR_UNSUPPORTED` for gigantic pages, and the errors of `rest`
 */
export function withOvercommit<T>(
  pageSize: number,
  pages: number,
  dryRun: boolean,
  rest: (change: OvercommitChange) => T,
): T {
  const before = readPool(pageSize).overcommit ?? 0
  if (dryRun) {
    if (isGigantic(pageSize)) throw gigantic(pageSize, pages)
    return rest({ before, after: pages })
  }
  writeOvercommit(pageSize, pages)
  try {
    return rest({ before, after: pages })
  } catch (error) {
    writeOvercommit(pageSize, before)
    throw error
  }
}

function writeOvercommit(pageSize: number, pages: number): void {
  const path = `${poolDirectory(pageSize)}/nr_overcommit_hugepages`
  try {
    writeKernelFile(path, `${pages}`, `sh -c 'echo ${pages} > ${path}'`)
  } catch (error) {
    if (!(error instanceof PinfoldError) || error.code !== 'ERR_UNSUPPORTED') throw error
    // mm/hugetlb.c, nr_overcommit_hugepages_store: EINVAL for pages that the page allocator cannot make
    throw gigantic(pageSize, pages, error)
  }
}

/**
 * True if the page allocator has no blocks of this size. Source: proc_buddyinfo(5), which has a column for each size of
 * block: one base page and its multiples by powers of two.
 */
function isGigantic(pageSize: number): boolean {
  const [line = ''] = (readKernelFile('/proc/buddyinfo') ?? '').split('\n')
  const blocks = /zone +\S+ +(.*)$/.exec(line)?.[1]?.trim().split(/ +/).length
  return blocks !== undefined && pageSize > basePageSize * 2 ** (blocks - 1)
}

function gigantic(pageSize: number, pages: number, cause?: unknown): PinfoldError {
  const message = `the kernel cannot make pages of ${formatSize(pageSize)} on demand: they are too large for that`
  return new PinfoldError(message, { code: 'ERR_UNSUPPORTED', values: { pageSize, pages }, cause })
}
