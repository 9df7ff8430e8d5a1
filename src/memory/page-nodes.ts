import { toPinfoldError } from '../errors.js'
import { native } from '../native.js'
import { readNumaMaps } from '../system/smaps.js'

/** Memory of which every page is present. */
export interface PopulatedRange {
  readonly address: bigint
  /** Bytes. */
  readonly size: number
  /** Bytes of one page; for transparent memory, of a base page. */
  readonly pageSize: number
}

/**
 * How many pages of a range are on each NUMA node. move_pages(2) reads this range alone; if it has an error number for
 * some page (kernels differ on 1 GiB pages), the numbers come from /proc/self/numa_maps.
 *
 * @throws PinfoldError `ERR_SYSTEM`
 */
export function readPageNodes({ address, size, pageSize }: PopulatedRange): ReadonlyMap<number, number> {
  const nodes = new Int32Array(size / pageSize)
  try {
    native.pageNodes(Number(address), pageSize, nodes)
  } catch (error) {
    throw toPinfoldError(error)
  }
  const counts = new Map<number, number>()
  for (const node of nodes) counts.set(node, (counts.get(node) ?? 0) + 1)
  if ([...counts.keys()].every((node) => node >= 0)) return counts
  const bytes = readNumaMaps(address, size)
  if (bytes === undefined) return counts
  return new Map(Object.entries(bytes).map(([node, on]) => [Number(node), on / pageSize]))
}

/** The number of pages on each node that is not in `wanted`. */
export function strayPages(
  found: ReadonlyMap<number, number>,
  wanted: readonly number[],
): (readonly [number, number])[] {
  return [...found].filter(([node]) => !wanted.includes(node))
}
