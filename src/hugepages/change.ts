import { PinfoldError } from '../errors.js'
import { numaNodes } from '../system/numa.js'
import { nodesText, pagesText, spaced } from '../system/texts.js'
import {
  ownPages,
  type PoolShare,
  poolDirectory,
  readPool,
  readShares,
  writeKernelFile,
  writeOwnPages,
} from './counters.js'
import { checkGrowth } from './growth.js'
import type { CheckedRequest } from './request.js'

// Changes of a pool, all or nothing. The caller holds the pool lock (open-loans.ts): the kernel takes absolute numbers
// only, so that no other pinfold may change a pool between a read and the write after it.

/**
 * Sets the pool to `request.pages` own pages, or changes nothing.
 *
 * Raising first turns surplus pages into own pages and then makes new ones. Lowering frees unused pages; a used page
 * becomes surplus, and is freed when its user frees it.
 *
 * @throws PinfoldError `ERR_POOL_CHANGE_REFUSED` when the kernel gave fewer (the pool is as before),
 *   `ERR_PERMISSION`, `ERR_UNSUPPORTED`
 */
export function setPool(request: CheckedRequest): void {
  const { pageSize, node, pages } = request
  const before = readShares(pageSize)
  const had = ownPages(readPool(pageSize, node))
  let got = had
  checkGrowth(pageSize, node, pages)
  // More than the goal is no failure: a program that does not use our lock has raised the pool at the same time.
  const isReached = () => (pages >= had ? got >= pages : got <= pages)
  try {
    for (const attempt of attempts(request)) {
      attempt()
      writeOwnPages(pageSize, node, pages)
      got = ownPages(readPool(pageSize, node))
      if (isReached()) return
    }
  } finally {
    if (!isReached()) restoreShares(pageSize, before)
  }
  throw refused(request, had, got)
}

/** The preparation of each attempt: nothing for the first, then the means that the caller allows. */
function attempts({ node, compact, dropCaches }: CheckedRequest): (() => void)[] {
  const list = [() => {}]
  if (compact || dropCaches) {
    list.push(() => {
      // Documentation/admin-guide/sysctl/vm.rst: drop_caches, 3 is page cache and slab; compact_memory.
      if (dropCaches) writeKernelFile('/proc/sys/vm/drop_caches', '3', "sh -c 'echo 3 > /proc/sys/vm/drop_caches'")
      const file = node === undefined ? '/proc/sys/vm/compact_memory' : `/sys/devices/system/node/node${node}/compact`
      writeKernelFile(file, '1', `sh -c 'echo 1 > ${file}'`)
    })
  }
  return list
}

/** Restores the pool of every node. Node by node, since otherwise the kernel takes pages off all nodes in turn. */
function restoreShares(pageSize: number, shares: readonly PoolShare[]): void {
  for (const { node, pages } of shares) {
    if (ownPages(readPool(pageSize, node)) !== pages) writeOwnPages(pageSize, node, pages)
  }
}

function freeMemoryOf(node: number | undefined): number {
  const nodes = numaNodes().filter(({ id }) => node === undefined || id === node)
  return nodes.reduce((sum, { freeBytes }) => sum + freeBytes, 0)
}

function refused(request: CheckedRequest, had: number, got: number): PinfoldError {
  const { pageSize, node, pages, compact, dropCaches } = request
  const where = nodesText(node === undefined ? '' : `${node}`)
  const freeBytes = freeMemoryOf(node)
  const values = { pageSize, node, wanted: pages, got, had, freeBytes }
  if (got > pages) {
    const message = `the kernel kept ${pagesText(got, pageSize)}${where} where ${pages} were asked for, ${had} are there again`
    return new PinfoldError(message, { code: 'ERR_POOL_CHANGE_REFUSED', values })
  }
  // Enough bytes are free and the kernel still finds no more pages: the free memory is scattered.
  const fragmented = freeBytes >= (pages - had) * pageSize
  const cause = fragmented ? `: ${spaced(freeBytes)} are free, but too scattered` : `: ${spaced(freeBytes)} are free`
  const again = dropCaches ? '' : `echo 3 | sudo tee /proc/sys/vm/drop_caches; `
  const path = `${poolDirectory(pageSize, node)}/nr_hugepages`
  const hint =
    fragmented && !(compact && dropCaches)
      ? `${again}echo 1 | sudo tee /proc/sys/vm/compact_memory; echo ${pages} | sudo tee ${path}`
      : undefined
  const message = `the kernel made ${got - had} of ${pagesText(pages - had, pageSize, 'more ')}${where}${cause}; the ${had} from before are left`
  return new PinfoldError(message, { code: 'ERR_POOL_CHANGE_REFUSED', values: { ...values, fragmented }, hint })
}
