import { memoryNodes } from '../system/numa.js'
import { type MappingUse, readMemoryUse } from '../system/smaps.js'
import { type PopulatedRange, readPageNodes } from './page-nodes.js'

/** The use of a region's memory, in bytes, as the kernel counts it. */
export interface RegionUse extends MappingUse {
  /** Bytes on each NUMA node, by the node's number (numa(7)); a kernel without NUMA has node 0 alone. */
  readonly nodes: Readonly<Record<number, number>>
}

/** @throws PinfoldError `ERR_PERMISSION`, `ERR_SYSTEM` where /proc/self cannot be read */
export function readRegionUse(range: PopulatedRange): RegionUse {
  const use = readMemoryUse(range.address, range.size)
  // Not a copy: it would read the flags.
  return Object.assign(use, { nodes: nodesOf(range, use) })
}

function nodesOf(range: PopulatedRange, use: MappingUse): Record<number, number> {
  const [first = 0, ...others] = memoryNodes()
  if (others.length === 0) return { [first]: use.resident + use.hugetlbShared + use.hugetlbPrivate }
  return Object.fromEntries([...readPageNodes(range)].map(([node, pages]) => [node, pages * range.pageSize]))
}
