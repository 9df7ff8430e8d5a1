import { PinfoldError } from '../../errors.js'
import { poolDirectory, readPool, writeKernelFile } from '../../hugepages/index.js'
import { formatSize } from '../../sizes.js'
import { readKernelFile } from '../../system/kernel-files.js'
import { basePageSize } from '../../system/page-sizes.js'

/** How many surplus pages the kernel may make on demand (nr_overcommit_hugepages), before and after. */
export interface OvercommitChange {
  readonly before: number
  readonly after: number
}

/**
 * Lets a pool grow on demand by up to `pages`, and does the rest; when the rest fails, the pool may grow as before.
 *
 * @throws PinfoldError `ERR_PERMISSION`, `ERR_UNSUPPORTED` for gigantic pages, and what `rest` throws
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
    // mm/hugetlb.c, nr_overcommit_hugepages_store: EINVAL for what the page allocator cannot give
    throw gigantic(pageSize, pages, error)
  }
}

/**
 * Whether the page allocator has no blocks so large. Source: proc_buddyinfo(5), which has a column for each size of block,
 * from one base page up by powers of two.
 */
function isGigantic(pageSize: number): boolean {
  const [line = ''] = (readKernelFile('/proc/buddyinfo') ?? '').split('\n')
  const blocks = /zone +\S+ +(.*)$/.exec(line)?.[1]?.trim().split(/ +/).length
  return blocks !== undefined && pageSize > basePageSize * 2 ** (blocks - 1)
}

function gigantic(pageSize: number, pages: number, cause?: unknown): PinfoldError {
  const message = `the kernel makes no pages of ${formatSize(pageSize)} on demand: they are gigantic`
  return new PinfoldError(message, { code: 'ERR_UNSUPPORTED', values: { pageSize, pages }, cause })
}
