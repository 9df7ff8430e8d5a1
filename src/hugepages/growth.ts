import { PinfoldError } from '../errors.js'
import { readKernelFile } from '../system/kernel-files.js'
import { memoryNodes } from '../system/numa.js'
import { pagesText, spaced } from '../system/texts.js'
import { type HugepagePool, poolDirectory, readPool } from './counters.js'

// How far a pool can grow at most. A node's MemTotal does not say it: where a host takes memory back from its guest,
// the guest has less than that.

/**
 * Bytes of a node, or of the machine, that the kernel could make hugepages of: free memory, memory that it can drop,
 * and memory that fits into swap. An upper bound: the kernel may find less, since each hugepage must be in one piece.
 */
export function reachableBytes(node?: number): number {
  const whole = readKernelFile('/proc/meminfo') ?? ''
  // A single node has all of the memory. Its own counts may be lower, where a host takes memory back.
  const isWhole = node === undefined || memoryNodes().length === 1
  const part = isWhole ? whole : (readKernelFile(`/sys/devices/system/node/node${node}/meminfo`) ?? whole)
  return parseReachableMemory(part, whole)
}

/** The same from the texts of a node's meminfo and of /proc/meminfo. Only the latter contains the swap. */
export function parseReachableMemory(node: string, machine: string): number {
  const bytes = (text: string, name: string) =>
    Number(new RegExp(`^(?:Node \\d+ )?${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024
  const sum = (...names: string[]) => names.reduce((total, name) => total + bytes(node, name), 0)
  const swappable = Math.min(bytes(machine, 'SwapFree'), sum('Active\\(anon\\)', 'Inactive\\(anon\\)'))
  return sum('MemFree', 'Active\\(file\\)', 'Inactive\\(file\\)', 'SReclaimable') + swappable
}

/** An upper bound of the pages that a pool could gain. */
export function mostGrowth({ pageSize, node }: Pick<HugepagePool, 'pageSize' | 'node'>): number {
  return Math.floor(reachableBytes(node) / pageSize)
}

/**
 * The command that gives a pool `pages` own pages; undefined when the machine has no memory for so many, since a hint
 * never asks for more than there is.
 */
export function growCommand(pool: HugepagePool, pages: number): string | undefined {
  if (pages - pool.total > mostGrowth(pool)) return undefined
  return `echo ${pages} | sudo tee ${poolDirectory(pool.pageSize, pool.node)}/nr_hugepages`
}

/**
 * Refuses a pool that is too large for the machine. Call it before the kernel is asked, since the kernel would push all
 * else out of memory before it fails. Surplus pages become the pool's own, and take no more memory.
 *
 * @throws PinfoldError `ERR_POOL_CHANGE_REFUSED`
 */
export function checkGrowth(pageSize: number, node: number | undefined, pages: number): void {
  const { total, surplus } = readPool(pageSize, node)
  const had = total - surplus
  const reachable = reachableBytes(node)
  if ((pages - total) * pageSize <= reachable) return
  const where = node === undefined ? 'this machine' : `node ${node}`
  throw new PinfoldError(
    `${pagesText(pages - had, pageSize, 'more ')} do not fit into the ${spaced(reachable)} that are free on ${where}, or could be made free`,
    {
      code: 'ERR_POOL_CHANGE_REFUSED',
      values: { pageSize, node, wanted: pages, got: had, had, reachableBytes: reachable },
    },
  )
}
