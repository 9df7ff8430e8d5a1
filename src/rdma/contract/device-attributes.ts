import { names } from './enum-names.js'
import type { PortState } from './states.js'

/** `enum ibv_device_cap_flags` and the extended bits (infiniband/verbs.h). */
export const deviceCapabilities = names({
  RESIZE_MAX_WR: 2 ** 0,
  BAD_PKEY_CNTR: 2 ** 1,
  BAD_QKEY_CNTR: 2 ** 2,
  RAW_MULTI: 2 ** 3,
  AUTO_PATH_MIG: 2 ** 4,
  CHANGE_PHY_PORT: 2 ** 5,
  UD_AV_PORT_ENFORCE: 2 ** 6,
  CURR_QP_STATE_MOD: 2 ** 7,
  SHUTDOWN_PORT: 2 ** 8,
  INIT_TYPE: 2 ** 9,
  PORT_ACTIVE_EVENT: 2 ** 10,
  SYS_IMAGE_GUID: 2 ** 11,
  RC_RNR_NAK_GEN: 2 ** 12,
  SRQ_RESIZE: 2 ** 13,
  N_NOTIFY_CQ: 2 ** 14,
  MEM_WINDOW: 2 ** 17,
  UD_IP_CSUM: 2 ** 18,
  XRC: 2 ** 20,
  MEM_MGT_EXTENSIONS: 2 ** 21,
  MEM_WINDOW_TYPE_2A: 2 ** 23,
  MEM_WINDOW_TYPE_2B: 2 ** 24,
  RC_IP_CSUM: 2 ** 25,
  RAW_IP_CSUM: 2 ** 26,
  MANAGED_FLOW_STEERING: 2 ** 29,
  RAW_SCATTER_FCS: 2 ** 34,
  PCI_WRITE_END_PADDING: 2 ** 36,
})

/** A capability of a device, without its IBV_DEVICE_. */
export type DeviceCapability = keyof typeof deviceCapabilities.byName

/** `enum ibv_atomic_cap` */
export const atomicCapabilities = names({ NONE: 0, HCA: 1, GLOB: 2 })

/** `enum ibv_odp_transport_cap_bits` */
export const onDemandOperations = names({ send: 1, receive: 2, write: 4, read: 8, atomic: 16, sharedReceive: 32 })

/** An operation that can use memory that was registered on demand. */
export type OnDemandOperation = keyof typeof onDemandOperations.byName

/** `enum ibv_fork_status` (ibv_is_fork_initialized(3)); 'unknown' when the library is too old to tell. */
export type ForkStatus = 'disabled' | 'enabled' | 'unneeded' | 'unknown'

/** A device as it is listed, without being opened. */
export interface DeviceListing {
  readonly name: string
  /** Who implements the device: libibverbs, or this process itself. */
  readonly kind: DeviceKind
  /** Node GUID: '0050:56ff:fe00:0001'. */
  readonly guid: string
  /** 'IB' (InfiniBand and RoCE), 'IWARP', …: `enum ibv_transport_type`. */
  readonly transport: string
  /** 'CA', 'RNIC', …: `enum ibv_node_type`. */
  readonly nodeType: string
  /** NUMA node that it is attached to; undefined when there is none, or the kernel does not tell. */
  readonly numaNode: number | undefined
}

/** Who implements a device: libibverbs, or this process itself. */
export type DeviceKind = 'verbs' | 'loopback'

/** The attributes of a device: ibv_query_device_ex(3). A count is the most that the device can have; a size is in bytes. */
export interface DeviceAttributes {
  readonly firmware: string
  readonly nodeGuid: string
  readonly systemImageGuid: string
  readonly vendorId: number
  readonly vendorPart: number
  readonly hardwareVersion: number
  readonly ports: number
  readonly capabilities: readonly DeviceCapability[]
  /** 'NONE', 'HCA' (atomic among this device's own operations), 'GLOB' (with the processor's, too). */
  readonly atomics: keyof typeof atomicCapabilities.byName | `${number}`
  readonly maxRegistrationSize: bigint
  /** Page sizes that registrations may use, as a bit set. */
  readonly pageSizes: bigint
  readonly maxQueuePairs: number
  /** Outstanding requests of one work queue. */
  readonly maxRequests: number
  /** Scatter entries of a request, and of a read. */
  readonly maxEntries: number
  readonly maxReadEntries: number
  readonly maxCompletionQueues: number
  readonly maxCompletions: number
  readonly maxRegistrations: number
  readonly maxDomains: number
  readonly maxWindows: number
  readonly maxAddressHandles: number
  /** Reads and atomics that a queue pair can serve at once, and that it can start at once. */
  readonly maxReadsServed: number
  readonly maxReadsStarted: number
  readonly maxSharedReceiveQueues: number
  readonly maxSharedRequests: number
  readonly maxSharedEntries: number
  readonly maxMulticastGroups: number
  readonly maxMulticastQueuePairs: number
  readonly maxPartitionKeys: number
  /** Bytes of device memory; 0 where there is none. */
  readonly deviceMemory: bigint
  readonly onDemand: OnDemandCapabilities
  /** Valid bits of completion timestamps; 0n when there are none. */
  readonly timestampMask: bigint
  /** kHz of the clock that stamps completions; 0n when unknown. */
  readonly clockKilohertz: bigint
}

/** What on-demand paging can do (`struct ibv_odp_caps`). */
export interface OnDemandCapabilities {
  readonly supported: boolean
  /** Whether one registration may span the whole address space. */
  readonly implicit: boolean
  readonly rc: readonly OnDemandOperation[]
  readonly uc: readonly OnDemandOperation[]
  readonly ud: readonly OnDemandOperation[]
}

/** A port: ibv_query_port(3). */
export interface PortAttributes {
  readonly port: number
  readonly state: PortState
  /** 'Ethernet' (RoCE), 'InfiniBand' or 'unspecified'. */
  readonly linkLayer: 'Ethernet' | 'InfiniBand' | 'unspecified'
  /** Bytes of payload in a packet: now, and at most. */
  readonly activeMtu: number
  readonly maxMtu: number
  readonly maxMessageSize: number
  readonly gids: number
  readonly partitionKeys: number
  readonly lid: number
  readonly subnetManagerLid: number
  /** Low bits of the LID that choose a path. */
  readonly lidMaskControl: number
  /** `enum ibv_port_cap_flags` as a bit set. */
  readonly capabilityFlags: number
  /** Gbit/s: the lanes times their rate; 0 for numbers that are not known here. */
  readonly gigabits: number
  /** As the kernel numbers them: `active_width`, `active_speed`, `phys_state`. */
  readonly activeWidth: number
  readonly activeSpeed: number
  readonly physicalState: number
}

/** An entry of the GID table: ibv_query_gid_table(3). Empty entries are not listed. */
export interface GidEntry {
  readonly port: number
  readonly index: number
  /** As an IPv6 address, all eight groups: 'fe80:0000:0000:0000:5054:00ff:fe12:3456'. */
  readonly gid: string
  /** 'RoCE v2' is what routable RoCE uses. 'unknown' when the kernel does not tell. */
  readonly type: 'IB' | 'RoCE v1' | 'RoCE v2' | 'unknown'
  /** The network interface that it belongs to; undefined when there is none, or the kernel does not tell. */
  readonly interface: string | undefined
}
