import { type MappingUse, readNumaMaps, readSmaps } from '../system/smaps.js'

/** The use of a region's memory, in bytes, as the kernel counts it. */
export interface RegionUse extends MappingUse {
  /** Bytes on each NUMA node, by the node's number (numa(7)); a kernel without NUMA has node 0 alone. */
  readonly nodes: Readonly<Record<number, number>>
}

export function readRegionUse(address: bigint, size: number): RegionUse {
  const use = readSmaps(address, size)
  const all = use.resident + use.hugetlbShared + use.hugetlbPrivate
  return { ...use, nodes: readNumaMaps(address, size) ?? { 0: all } }
}
