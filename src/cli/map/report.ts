import type { Fragmentation } from '../../translate/memory-map/fragmentation.js'
import type { MappedRange, MemoryMap, PageEntries, PlacedRun } from '../../translate/memory-map/memory-map.js'
import type { PageTableNode } from '../../translate/memory-map/page-table-tree.js'

/** A memory map, as `pinfold map --json` prints it: physical addresses are bigints, and unknown nodes null. */
export interface MapReport {
  readonly schema: 'pinfold/map/1'
  readonly pid: number
  /** The process's name: the first 15 bytes (proc_pid_comm(5)). */
  readonly command: string
  readonly mappings: readonly MappedRange[]
  readonly bytes: MemoryMap['bytes']
  readonly runs: readonly ReportedRun[]
  readonly entries: readonly PageEntries[]
  readonly fragmentation: Fragmentation
  readonly levels: readonly string[]
  readonly areHugeEntriesKnown: boolean
  readonly pageTables: PageTableNode
  readonly memory: readonly ReportedMemory[]
}

export interface ReportedRun extends Omit<PlacedRun, 'physicalAddress' | 'node'> {
  readonly physicalAddress: bigint
  readonly node: number | null
}

export interface ReportedMemory {
  readonly start: bigint
  /** Bytes. */
  readonly length: number
  readonly node: number | null
}

export function reportMap(map: MemoryMap, command: string): MapReport {
  const { pid, mappings, bytes, runs, entries, fragmentation, levels, areHugeEntriesKnown, pageTables, memory } = map
  return {
    schema: 'pinfold/map/1',
    pid,
    command,
    mappings,
    bytes,
    runs: runs.map((run) => ({ ...run, physicalAddress: BigInt(run.physicalAddress), node: run.node ?? null })),
    entries,
    fragmentation,
    levels,
    areHugeEntriesKnown,
    pageTables,
    memory: memory.map(({ start, length, node }) => ({ start: BigInt(start), length, node: node ?? null })),
  }
}
