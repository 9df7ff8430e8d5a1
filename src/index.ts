// The public API, and nothing else. Each export is documented, versioned and tested against bad input.

export { formatAddress, type PhysicalAddress, type VirtualAddress } from './addresses.js'
export { type ErrorCode, type ErrorDetails, PinfoldError } from './errors.js'
export { createHeap, type Heap } from './heap/heap.js'
export type { HeapCloseOptions, HeapOptions } from './heap/options.js'
export type { HeapBlock, HeapStats } from './heap/stats.js'
export {
  borrowHugepages,
  type HugepageLoan,
  type HugepagePool,
  type OpenLoan,
  type OwnerLife,
  openLoans,
  type PoolChange,
  type PoolRequest,
  type RepairedLoan,
  readPool,
  readPools,
  repairLoans,
  resizePool,
} from './hugepages/index.js'
export {
  type AttachedLayout,
  attachLayout,
  createLayout,
  type Layout,
  type LayoutKind,
  type LayoutKindOf,
  type LayoutOptions,
  type LayoutPart,
  type LayoutParts,
  type LayoutThings,
  layoutBytes,
} from './layout/layout.js'
export type { Hold } from './memory/hold.js'
export type { PassedOver } from './memory/region-core.js'
export type { RegionHandle } from './memory/region-handle.js'
export type { RegionUse } from './memory/region-inspection.js'
export type { RegionMemory as PoolMemory, RegionMemory as RegistrableMemory } from './memory/region-memory.js'
export type {
  AllocateOptions,
  DescriptorBacking,
  FileBacking,
  NumaPlacement,
  RegionOptions,
} from './memory/region-options.js'
export type { PacketField, PacketFieldType } from './packet/fields.js'
export { attachPackets, createPackets, packetsBytes } from './packet/open-packets.js'
export type { PacketsOptions } from './packet/options.js'
export type { Packet } from './packet/packet.js'
export type { Packets } from './packet/packets.js'
export type { PacketPart } from './packet/segments.js'
export type { BufferPool } from './pool/buffer-pool.js'
export type { Registers, Translates } from './pool/elements.js'
export { attachBufferPool, bufferPoolBytes, createBufferPool } from './pool/open-pool.js'
export type { BufferPoolAttachOptions, BufferPoolOptions, SampledTracking, Tracking } from './pool/options.js'
export type { BufferPoolStats } from './pool/stats.js'
export type { PoolWaitOptions } from './pool/waiting.js'
export { listDevices, openDevice } from './rdma/devices/open-device.js'
export * from './rdma/index.js'
export type { BudgetStats, BudgetUse } from './registry/budget.js'
export {
  type RegionAllocateMessage,
  type RegionCloseMessage,
  type RegionFallbackMessage,
  type RegionLeakMessage,
  type RegionMessage,
  registryChannels,
} from './registry/events.js'
export type { LeakLevel } from './registry/leak-detector.js'
export type { MemoryRegistry } from './registry/memory-registry.js'
export { openRegistry, openRegistrySync } from './registry/open-registry.js'
export { attachRegion, type Region } from './registry/region.js'
export type { BudgetOption, BudgetSizes, OpenOptions, RegistryOptions } from './registry/registry-options.js'
export type { PagesStats, RegistryStats } from './registry/registry-stats.js'
export type { Slice } from './registry/slice.js'
export { attachRing, createRing, ringBytes } from './ring/open-ring.js'
export type { RingAttachOptions, RingOptions } from './ring/options.js'
export type { Ring } from './ring/ring.js'
export type { RingSpan } from './ring/side.js'
export { formatSize, parseSize, type Size } from './sizes.js'
export { type NumaNode, numaNodes } from './system/numa.js'
export { basePageSize, hugetlbPageSizes, type PagesName, transparentPageSize } from './system/page-sizes.js'
export type { PhysicalMemory } from './system/physical-memory.js'
export type { ProcessMapping } from './system/process-mappings.js'
export type { MappingUse } from './system/smaps.js'
export type { PageFlag } from './translate/kernel-page-flags.js'
export type { MappedPages } from './translate/memory-map/extents.js'
export type { Fragmentation } from './translate/memory-map/fragmentation.js'
export type { LevelName } from './translate/memory-map/levels.js'
export type { MappedRange, MemoryMap, PageEntries, PlacedRun } from './translate/memory-map/memory-map.js'
export type { PageTableLeaf, PageTableNode } from './translate/memory-map/page-table-tree.js'
export type { PageFlags, PageFrame } from './translate/page-flags.js'
export * from './translate/page-tables/index.js'
export type { PagemapFlags, PageState, PageStates, SwapPlace, UnknownPageState } from './translate/pagemap.js'
export { type ProcessRun, type ProcessTranslation, translateProcess } from './translate/process-translation.js'
export {
  type FindMappingsOptions,
  type FrameMapping,
  type FrameMappings,
  findMappings,
  type ScanProgress,
} from './translate/reverse-map/find-mappings.js'
export type { Run } from './translate/runs.js'
export type { AbortOptions, RangeOptions, RunsOptions, Translation } from './translate/translation.js'
export type { Move, PagePlace, Verification } from './translate/verification.js'
export {
  type InspectedPage,
  inspectPage,
  type PhysicalPage,
  type ProcessOptions,
  virtToPhys,
} from './translate/virt-to-phys.js'
