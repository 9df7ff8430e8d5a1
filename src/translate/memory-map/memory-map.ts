import { formatAddress, type PhysicalAddress, type VirtualAddress } from '../../addresses.js'
import { PinfoldError } from '../../errors.js'
import { type PhysicalMemory, physicalMemory } from '../../system/physical-memory.js'
import { type Mapping, readMappingsUse } from '../../system/smaps.js'
import { unknownPage } from '../unknown-page.js'
import { checkedAddress, checkedProcess } from '../virt-to-phys.js'
import { type Extent, ExtentReader, type MappedPages } from './extents.js'
import { type Fragmentation, fragmentationOf } from './fragmentation.js'
import { type LevelName, levelOfPage, pageTableLevels } from './levels.js'
import { OpenPagemap, procName } from './open-pagemap.js'
import { type PageTableNode, pageTableTree } from './page-table-tree.js'

/** Pages of one kind that are contiguous, both virtually and physically, on one NUMA node. */
export interface PlacedRun {
  readonly physicalAddress: PhysicalAddress
  /** Virtual address of its first byte. */
  readonly address: VirtualAddress
  /** Bytes. */
  readonly length: number
  /** Undefined if the kernel does not say on which of several nodes it lies. */
  readonly node: number | undefined
  readonly pages: MappedPages
  /** Bytes of a page. */
  readonly pageSize: number
}

/** The entries of the page tables that map pages of one kind and size. */
export interface PageEntries {
  readonly pages: MappedPages
  /** Bytes of a page. */
  readonly pageSize: number
  readonly level: LevelName
  /** The number of entries of that level. */
  readonly entries: number
  /** Bytes that they map. */
  readonly bytes: number
}

/** A mapping of the process, cut to the range of the map. */
export interface MappedRange {
  readonly start: VirtualAddress
  /** The first address after it. */
  readonly end: VirtualAddress
  /** 'rw-s': read, write, execute, shared or private. */
  readonly permissions: string
  /** A file, '[heap]', '/memfd:pinfold:rx (deleted)', or '' for anonymous memory. */
  readonly name: string
}

/** Where memory of a process lies: a snapshot. */
export interface MemoryMap {
  readonly pid: number
  readonly mappings: readonly MappedRange[]
  /** Bytes by state. `present`: with a known place; `hidden`: in memory, but the kernel hides the place. */
  readonly bytes: { readonly present: number; readonly hidden: number; readonly swapped: number }
  /** In the order of physical addresses. A page that is mapped twice is in two runs. */
  readonly runs: readonly PlacedRun[]
  /** Largest pages first. */
  readonly entries: readonly PageEntries[]
  readonly fragmentation: Fragmentation
  /** The first table, and from it all others. */
  readonly pageTables: PageTableNode
  /** The names of the levels that this machine has, the first table's first. */
  readonly levels: readonly LevelName[]
  /**
   * False if the kernel does not say which transparent pages huge entries map (before Linux 6.7), and its counters left
   * a choice.
   */
  readonly areHugeEntriesKnown: boolean
  /** The physical addresses at which the machine has memory; empty if the kernel does not show them. */
  readonly memory: readonly PhysicalMemory[]
}

/** A range of virtual addresses. */
export interface AddressRange {
  readonly address: VirtualAddress
  /** Bytes. */
  readonly length: number
}

/** The end of the addresses that native code can read. */
const endOfAddresses = 2 ** 53

/**
 * Reads where the memory of a process lies. Pages that lie in the range only in part count as a whole. Unless the
 * process is stopped, the first pages may have moved before the last ones are read.
 *
 * @param range default: all memory of the process
 * @param mayScan false to do without PAGEMAP_SCAN, as on a kernel before Linux 6.7
 * @throws PinfoldError `ERR_PROCESS_UNKNOWN`, `ERR_PERMISSION`, `ERR_INVALID_ARGUMENT`; `ERR_PAGE_ABSENT` if nothing is
 * mapped in the range; `ERR_OUT_OF_RANGE` for an address of 2^53 and more, and for more than 2^20 runs; `ERR_SYSTEM`
 */
export function mapProcess(pid: number, range?: AddressRange, mayScan = true): MemoryMap {
  checkedProcess(pid)
  const start = range === undefined ? 0 : checkedAddress(range.address)
  const end = range === undefined ? endOfAddresses : start + range.length
  if (range !== undefined) checkedAddress(range.address + BigInt(range.length))
  using pagemap = new OpenPagemap(pid)
  // The last mapping of a process on x86-64, [vsyscall], lies above all memory of processes, and belongs to the kernel.
  const mappings = readMappingsUse(BigInt(start), end - start, procName(pid)).filter(
    ({ end }) => end <= BigInt(endOfAddresses),
  )
  if (mappings.length === 0) throw nothingMapped(pid, range)
  const reader = new ExtentReader(pagemap, mayScan)
  for (const mapping of mappings) {
    reader.add(mapping, Math.max(start, Number(mapping.start)), Math.min(end, Number(mapping.end)))
  }
  return summarize(pid, mappings.map(rangeIn(start, end)), reader)
}

/**
 * The mapping that contains an address, as a range for `mapProcess`.
 *
 * @throws PinfoldError as `mapProcess`
 */
export function mappingAround(pid: number, address: VirtualAddress): AddressRange {
  checkedProcess(pid)
  checkedAddress(address)
  const [mapping] = readMappingsUse(address, 1, procName(pid))
  if (mapping === undefined) throw nothingMapped(pid, { address, length: 1 })
  return { address: mapping.start, length: Number(mapping.end - mapping.start) }
}

function nothingMapped(pid: number, range: AddressRange | undefined): PinfoldError {
  if (range === undefined) {
    return new PinfoldError(`process ${pid} has no memory of its own: it is a kernel thread, or it has ended`, {
      code: 'ERR_PROCESS_UNKNOWN',
      values: { pid },
    })
  }
  const { address, length } = range
  return unknownPage('absent', `address ${formatAddress(address)} of process ${pid}`, { pid, address, length })
}

function rangeIn(start: number, end: number): (mapping: Mapping) => MappedRange {
  return ({ permissions, name, ...mapping }) => ({
    start: mapping.start < BigInt(start) ? BigInt(start) : mapping.start,
    end: mapping.end > BigInt(end) ? BigInt(end) : mapping.end,
    permissions,
    name,
  })
}

function summarize(pid: number, mappings: readonly MappedRange[], reader: ExtentReader): MemoryMap {
  const { extents, swapped, areHugeEntriesKnown } = reader
  const memory = physicalMemory()
  const levels = pageTableLevels()
  const runs = extents.flatMap((extent) => placed(extent, memory))
  runs.sort((one, other) => one.physicalAddress - other.physicalAddress)
  const all = sumLengths(extents)
  const present = sumLengths(runs)
  return {
    pid,
    mappings,
    bytes: { present, hidden: all - present, swapped },
    runs,
    entries: countEntries(extents),
    fragmentation: fragmentationOf(runs),
    pageTables: pageTableTree(extents, levels),
    levels: levels.map(({ name }) => name),
    areHugeEntriesKnown,
    memory,
  }
}

/** An extent as runs, one for each NUMA node that it lies on. */
function placed(extent: Extent, memory: readonly PhysicalMemory[]): PlacedRun[] {
  const { physicalAddress: start, pages, pageSize } = extent
  if (start === undefined) return []
  const runs: PlacedRun[] = []
  for (let at = start; at < start + extent.length; ) {
    const found = memory.find((range) => at >= range.start && at < range.start + range.length)
    const isCut = found !== undefined && found.start + found.length < start + extent.length
    const end = isCut ? found.start + found.length : start + extent.length
    const run = { physicalAddress: at, address: BigInt(extent.address + at - start), length: end - at }
    runs.push({ ...run, node: found?.node, pages, pageSize })
    at = end
  }
  return runs
}

function countEntries(extents: readonly Extent[]): PageEntries[] {
  const levels = pageTableLevels()
  const found = new Map<string, PageEntries>()
  for (const { pages, pageSize, length } of extents) {
    const level = levelOfPage(pageSize, levels)
    if (level === undefined) throw new Error(`no entry of a page table maps a page of ${pageSize} bytes`)
    const key = `${pages} ${pageSize}`
    const bytes = (found.get(key)?.bytes ?? 0) + length
    found.set(key, { pages, pageSize, level: level.name, entries: bytes / level.entryBytes, bytes })
  }
  return [...found.values()].sort((one, other) => other.pageSize - one.pageSize || other.bytes - one.bytes)
}

function sumLengths(stretches: readonly { readonly length: number }[]): number {
  return stretches.reduce((sum, { length }) => sum + length, 0)
}
