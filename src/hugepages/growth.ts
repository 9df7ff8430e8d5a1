import { PinfoldError } from '../errors.js'
import { readKernelFile } from '../system/kernel-files.js'
import { memoryNodes } from '../system/numa.js'
import { pagesText, spaced } from '../system/texts.js'
import { type HugepagePool, poolDirectory, readPool } from './counters.js'

// How far a pool can grow at the very most. Not by a node's MemTotal: where a host takes memory back from its guest, that
// is neither what there is nor what can be had.

/**
 * Bytes of a node, or of the machine, that the kernel could make hugepages of: what is free, what it can drop, and what
 * fits into swap. An upper bound: it may find less, since what it finds has to be in one piece.
 */
export function reachableBytes(node?: number): number {
  const whole = readKernelFile('/proc/meminfo') ?? ''
  // The only node has all of it. Its own counts may be lower there, too, where a host takes memory back.
  const isWhole = node === undefined || memoryNodes().length === 1
  const part = isWhole ? whole : (readKernelFile(`/sys/devices/system/node/node${node}/meminfo`) ?? whole)
  return parseReachableMemory(part, whole)
}

/** The same out of the text of a node's meminfo and of /proc/meminfo, which alone tells of swap. */
export function parseReachableMemory(node: string, machine: string): number {
  const bytes = (text: string, name: string) =>
    Number(new RegExp(`^(?:Node \\d+ )?${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024
  const sum = (...names: string[]) => names.reduce((total, name) => total + bytes(node, name), 0)
  const swappable = Math.min(bytes(machine, 'SwapFree'), sum('Active\\(anon\\)', 'Inactive\\(anon\\)'))
  return sum('MemFree', 'Active\\(file\\)', 'Inactive\\(file\\)', 'SReclaimable') + swappable
}

/** How many more pages a pool could get, at the very most. */
export function mostGrowth({ pageSize, node }: Pick<HugepagePool, 'pageSize' | 'node'>): number {
  return Math.floor(reachableBytes(node) / pageSize)
}

/**
 * The command that gives a pool `pages` own pages, undefined when the machine cannot have so many: a hint never asks for
 * more than there is.
 */
export function growCommand(pool: HugepagePool, pages: number): string | undefined {
  if (pages - pool.total > mostGrowth(pool)) return undefined
  return `echo ${pages} | sudo tee ${poolDirectory(pool.pageSize, pool.node)}/nr_hugepages`
}

/**
 * Refuses a pool that the machine cannot have. To be asked before the kernel is, which would first push everything else
 * out of memory to find out. Surplus pages become the pool's own, and take no more memory.
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
