import type { DeviceAttributes } from '../../rdma/contract/device-attributes.js'
import { formatSize } from '../../sizes.js'
import { formatCount } from '../output.js'
import type { PortReport } from './read.js'

/** A name as ibv_devinfo -v writes it, and its value. */
type Line = readonly [name: string, value: string]

/** The lines that `--verbose` adds about a device, with the names and in the order of ibv_devinfo(1). */
export function attributeLines(attributes: DeviceAttributes): Line[] {
  const counts: readonly (readonly [string, number])[] = [
    ['max_qp', attributes.maxQueuePairs],
    ['max_qp_wr', attributes.maxRequests],
    ['max_sge', attributes.maxEntries],
    ['max_sge_rd', attributes.maxReadEntries],
    ['max_cq', attributes.maxCompletionQueues],
    ['max_cqe', attributes.maxCompletions],
    ['max_mr', attributes.maxRegistrations],
    ['max_pd', attributes.maxDomains],
    ['max_qp_rd_atom', attributes.maxReadsServed],
    ['max_qp_init_rd_atom', attributes.maxReadsStarted],
    ['max_mw', attributes.maxWindows],
    ['max_ah', attributes.maxAddressHandles],
    ['max_srq', attributes.maxSharedReceiveQueues],
    ['max_srq_wr', attributes.maxSharedRequests],
    ['max_srq_sge', attributes.maxSharedEntries],
    ['max_mcast_grp', attributes.maxMulticastGroups],
    ['max_mcast_qp_attach', attributes.maxMulticastQueuePairs],
    ['max_pkeys', attributes.maxPartitionKeys],
  ]
  return [
    ['max_mr_size', hex(attributes.maxRegistrationSize)],
    ['page_size_cap', hex(attributes.pageSizes)],
    ...counts.map(([name, count]) => [name, formatCount(count)] as const),
    ['atomic_cap', attributes.atomics],
    ['device_cap_flags', attributes.capabilities.join(' ') || 'none'],
    ['max_dm_size', attributes.deviceMemory === 0n ? 'none' : formatSize(Number(attributes.deviceMemory))],
    ['completion_timestamp_mask', hex(attributes.timestampMask)],
    ['hca_core_clock', attributes.clockKilohertz === 0n ? 'unknown' : `${attributes.clockKilohertz} kHz`],
  ]
}

/** The lines that `--verbose` adds about a port. */
export function portLines(port: PortReport): Line[] {
  return [
    ['max_msg_sz', formatSize(port.maxMessageSize)],
    ['port_cap_flags', hex(BigInt(port.capabilityFlags))],
    ['sm_lid', `${port.subnetManagerLid}`],
    ['port_lid', `${port.lid}`],
    ['port_lmc', `${port.lidMaskControl}`],
    ['gid_tbl_len', formatCount(port.gids)],
    ['pkey_tbl_len', formatCount(port.partitionKeys)],
    ['active_width', `${port.activeWidth}`],
    ['active_speed', `${port.activeSpeed}`],
    ['phys_state', `${port.physicalState}`],
  ]
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`
}
