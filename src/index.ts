// The public surface, and nothing else: what stands here is documented, versioned and tested against bad input.

export { formatAddress, type PhysicalAddress, type VirtualAddress } from './addresses.js'
export { type ErrorCode, type ErrorDetails, PinfoldError } from './errors.js'
export type { Hold } from './memory/hold.js'
export {
  borrowHugepages,
  type HugepageLoan,
  type OpenLoan,
  openLoans,
  type RepairedLoan,
  repairLoans,
} from './memory/hugepage-loan.js'
export {
  type HugepagePool,
  type PoolChange,
  type PoolRequest,
  readPool,
  readPools,
  resizePool,
} from './memory/hugepage-pools.js'
export { type NumaNode, numaNodes } from './memory/numa.js'
export { basePageSize, hugetlbPageSizes, type PagesName, transparentPageSize } from './memory/page-sizes.js'
export type { PassedOver } from './memory/region-core.js'
export type { RegionHandle } from './memory/region-handle.js'
export type { RegionOptions } from './memory/region-options.js'
export type { RegionUse } from './memory/region-use.js'
export type { Slice } from './memory/slice.js'
export type { MappingUse } from './memory/smaps.js'
export type { BufferPool, BufferPoolStats } from './pool/buffer-pool.js'
export type { BufferPoolAttachOptions, BufferPoolOptions, Tracking } from './pool/buffer-pool-options.js'
export { createHeap, type Heap } from './pool/heap.js'
export type { HeapCloseOptions, HeapOptions } from './pool/heap-options.js'
export type { HeapBlock, HeapStats } from './pool/heap-stats.js'
export { attachPackets, createPackets, packetsBytes } from './pool/open-packets.js'
export { attachBufferPool, bufferPoolBytes, createBufferPool } from './pool/open-pool.js'
export { attachRing, createRing, ringBytes } from './pool/open-ring.js'
export type { Packet } from './pool/packet.js'
export type { PacketField, PacketFieldType } from './pool/packet-fields.js'
export type { PacketsOptions } from './pool/packet-options.js'
export type { PacketPart } from './pool/packet-parts.js'
export type { Packets } from './pool/packets.js'
export type { PoolMemory } from './pool/pool-memory.js'
export type { PoolWaitOptions } from './pool/pool-queue.js'
export type { Ring } from './pool/ring.js'
export type { RingAttachOptions, RingOptions } from './pool/ring-options.js'
export type { RingSpan } from './pool/ring-side.js'
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
export type { AllocateOptions, BudgetOption, OpenOptions, RegistryOptions } from './registry/registry-options.js'
export type { PagesStats, RegistryStats } from './registry/registry-stats.js'
export { formatSize, parseSize, type Size } from './sizes.js'
export type { PageFlag } from './translate/kernel-page-flags.js'
export type { PageFlags, PageFrame } from './translate/page-flags.js'
export * from './translate/page-tables/index.js'
export type { PagemapFlags, PageState, PageStates, SwapPlace, UnknownPageState } from './translate/pagemap.js'
export { type ProcessRun, type ProcessTranslation, translateProcess } from './translate/process-translation.js'
export type { Run } from './translate/runs.js'
export type { RunsOptions, Translation } from './translate/translation.js'
export type { Move, PagePlace, Verification } from './translate/verification.js'
export {
  type InspectedPage,
  inspectPage,
  type PhysicalPage,
  type ProcessOptions,
  virtToPhys,
} from './translate/virt-to-phys.js'
