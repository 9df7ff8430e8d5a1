import { closeSync, openSync, writeSync } from 'node:fs'
import { PinfoldError, toPinfoldError } from '../errors.js'
import { native } from '../native.js'
import { describe, formatSize, parseSize, type Size } from '../sizes.js'
import { readKernelNumber } from '../system/kernel-files.js'
import { hasNuma, memoryNodes } from '../system/numa.js'
import { hugetlbPageSizes } from '../system/page-sizes.js'

// The kernel's files of a hugepage pool. They are read each time: nothing is cached. Sources:
// Documentation/admin-guide/mm/hugetlbpage.rst, Documentation/ABI/testing/sysfs-kernel-mm-hugepages.

/** The hugepages of one size, on one node or on the whole machine. Counts are pages. */
export interface HugepagePool {
  /** Bytes. */
  readonly pageSize: number
  /** undefined: all nodes together. */
  readonly node: number | undefined
  /** nr_hugepages: all pages, used or free, with the surplus pages. */
  readonly total: number
  /** free_hugepages: unused pages. Some of them may be promised (`reserved`). */
  readonly free: number
  /** resv_hugepages: free pages promised to mappings that have not touched them. Known for the whole machine only. */
  readonly reserved: number | undefined
  /** surplus_hugepages: pages beyond the pool's own size, which vanish when their user frees them. */
  readonly surplus: number
  /**
   * nr_overcommit_hugepages: up to how many surplus pages the kernel may make on demand. For the whole machine only.
   */
  readonly overcommit: number | undefined
}

/** The pool's own pages of one node (node undefined: of a machine whose kernel has no NUMA). */
export interface PoolShare {
  readonly node: number | undefined
  readonly pages: number
}

/** The directory of a pool's files. */
export function poolDirectory(pageSize: number, node?: number): string {
  const root = node === undefined ? '/sys/kernel/mm/hugepages' : `/sys/devices/system/node/node${node}/hugepages`
  return `${root}/hugepages-${pageSize / 1024}kB`
}

/**
 * Every pool: per size, largest first, the whole machine and then each node that has memory.
 *
 * @throws PinfoldError `ERR_PERMISSION`, `ERR_SYSTEM` where the kernel's files cannot be read
 */
export function readPools(): HugepagePool[] {
  const nodes = hasNuma() ? memoryNodes() : []
  return hugetlbPageSizes().flatMap((pageSize) => [undefined, ...nodes].map((node) => readPool(pageSize, node)))
}

/**
 * One pool as it is now.
 *
 * @param size of one page: '2MiB', or bytes
 * @throws PinfoldError `ERR_UNSUPPORTED` when this machine has no hugepages of that size, or no such node,
 *   `ERR_INVALID_ARGUMENT`; `ERR_PERMISSION`, `ERR_SYSTEM` where the kernel's files cannot be read
 */
export function readPool(size: Size, node?: number): HugepagePool {
  const pageSize = parseSize(size)
  // It becomes part of a path.
  if (node !== undefined && !(Number.isSafeInteger(node) && node >= 0)) {
    throw new PinfoldError(`readPool: expected the number of a NUMA node, received ${describe(node)}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { node },
    })
  }
  let pool = readOnce(pageSize, node)
  // Each number is a file of its own: read again until no change came in between, or surplus would be taken for own.
  for (let attempt = 0; attempt < 10; attempt++) {
    const again = readOnce(pageSize, node)
    if (again.total === pool.total && again.surplus === pool.surplus) break
    pool = again
  }
  return pool
}

function readOnce(pageSize: number, node: number | undefined): HugepagePool {
  const directory = poolDirectory(pageSize, node)
  const total = readKernelNumber(`${directory}/nr_hugepages`)
  if (total === undefined) throw noSuchPool(pageSize, node)
  return {
    pageSize,
    node,
    total,
    free: readKernelNumber(`${directory}/free_hugepages`) ?? 0,
    reserved: node === undefined ? readKernelNumber(`${directory}/resv_hugepages`) : undefined,
    surplus: readKernelNumber(`${directory}/surplus_hugepages`) ?? 0,
    overcommit: node === undefined ? readKernelNumber(`${directory}/nr_overcommit_hugepages`) : undefined,
  }
}

/** How many pages the pool owns: the number that a write to nr_hugepages sets. Surplus pages count in `total` only. */
export function ownPages(pool: HugepagePool): number {
  return pool.total - pool.surplus
}

/** The own pages of each node's pool, so that a loan can be taken off the nodes on which it was put. */
export function readShares(pageSize: number): PoolShare[] {
  const nodes = hasNuma() ? memoryNodes() : [undefined]
  return nodes.map((node) => ({ node, pages: ownPages(readPool(pageSize, node)) }))
}

/**
 * Asks the kernel for a pool of `pages` own pages. The kernel may give fewer: the caller reads the pool again.
 *
 * @throws PinfoldError `ERR_PERMISSION` without root, `ERR_UNSUPPORTED` where pages of this size are made at boot only
 */
export function writeOwnPages(pageSize: number, node: number | undefined, pages: number): void {
  const path = `${poolDirectory(pageSize, node)}/nr_hugepages`
  const command = `sh -c 'echo ${pages} > ${path}'`
  const whole = readPool(pageSize)
  const part = node === undefined ? whole : readPool(pageSize, node)
  if (part.surplus === whole.surplus) {
    writeKernelFile(path, `${pages}`, command)
  } else {
    // On a write to a node's file, many kernels count the surplus pages of other nodes as this node's own pages, and
    // change too little (mm/hugetlb.c, set_max_huge_pages). A write to the whole pool's file has no such fault, and
    // obeys the memory policy of the writing thread.
    const goal = ownPages(whole) + pages - ownPages(part)
    writeKernelFile(`${poolDirectory(pageSize)}/nr_hugepages_mempolicy`, `${goal}`, command, node)
  }
}

/**
 * Writes a file under /proc or /sys; `command` does the same from a shell, for the error's hint.
 *
 * @param node the node that the writing thread is bound to meanwhile
 */
export function writeKernelFile(path: string, text: string, command: string, node?: number): void {
  try {
    const file = openSync(path, 'w')
    try {
      if (node === undefined) writeSync(file, text)
      else native.writeBound(file, text, node)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EACCES' || code === 'EPERM') throw toPinfoldError(error, 'ERR_PERMISSION', `sudo ${command}`)
    // A container sees the machine's pools, but read-only.
    if (code === 'EROFS') throw toPinfoldError(error, 'ERR_PERMISSION', `on the host: sudo ${command}`)
    if (code === 'EINVAL') throw toPinfoldError(error, 'ERR_UNSUPPORTED')
    throw toPinfoldError(error)
  }
}

function noSuchPool(pageSize: number, node: number | undefined): PinfoldError {
  const sizes = hugetlbPageSizes()
  if (!sizes.includes(pageSize)) {
    const known = sizes.length > 0 ? `only of ${sizes.map(formatSize).join(', ')}` : 'none of any size'
    return new PinfoldError(`this machine has no hugepages of ${formatSize(pageSize)}, ${known}`, {
      code: 'ERR_UNSUPPORTED',
      values: { pageSize, node, sizes },
    })
  }
  const nodes = memoryNodes()
  return new PinfoldError(`this machine has no hugepages on node ${node}: its nodes with memory are ${nodes}`, {
    code: 'ERR_UNSUPPORTED',
    values: { pageSize, node, nodes },
  })
}
