import {
  type DeviceAttributes,
  deviceCapabilities,
  type GidEntry,
  type PortAttributes,
} from '../contract/device-attributes.js'
import { bitNames } from '../contract/enum-names.js'
import { portMtu } from './datagrams.js'
import { limits } from './limits.js'
import { listen } from './network/listener.js'
import { loopbackGid } from './wire.js'

const { byName } = deviceCapabilities
const everything = ['send', 'receive', 'write', 'read', 'atomic', 'sharedReceive'] as const

export const loopbackGuid = '0000:00ff:fe00:0001'

export function attributes(): DeviceAttributes {
  return {
    firmware: '',
    nodeGuid: loopbackGuid,
    systemImageGuid: loopbackGuid,
    vendorId: 0,
    vendorPart: 0,
    hardwareVersion: 0,
    ports: 1,
    capabilities: bitNames(
      deviceCapabilities,
      byName.RC_RNR_NAK_GEN + byName.SRQ_RESIZE + byName.MEM_WINDOW + byName.MEM_WINDOW_TYPE_2B,
    ),
    atomics: 'HCA',
    maxRegistrationSize: 2n ** 53n,
    pageSizes: 0xffff_ffff_ffff_f000n,
    maxQueuePairs: limits.objects,
    maxRequests: limits.requests,
    maxEntries: limits.entries,
    maxReadEntries: limits.entries,
    maxCompletionQueues: limits.objects,
    maxCompletions: limits.completions,
    maxRegistrations: limits.objects,
    maxDomains: limits.objects,
    maxWindows: limits.objects,
    maxAddressHandles: limits.objects,
    maxReadsServed: limits.reads,
    maxReadsStarted: limits.reads,
    maxSharedReceiveQueues: limits.objects,
    maxSharedRequests: limits.sharedRequests,
    maxSharedEntries: limits.entries,
    maxMulticastGroups: limits.objects,
    maxMulticastQueuePairs: limits.objects,
    maxPartitionKeys: 1,
    deviceMemory: BigInt(limits.deviceMemory),
    onDemand: {
      supported: true,
      implicit: true,
      rc: everything,
      uc: ['send', 'receive', 'write'],
      ud: ['send', 'receive'],
    },
    timestampMask: 2n ** 64n - 1n,
    clockKilohertz: 1_000_000n, // process.hrtime: nanoseconds
  }
}

export function port(): PortAttributes {
  return {
    port: 1,
    state: 'ACTIVE',
    linkLayer: 'Ethernet',
    activeMtu: portMtu,
    maxMtu: portMtu,
    maxMessageSize: 2 ** 31,
    gids: 1,
    partitionKeys: 1,
    lid: 0,
    subnetManagerLid: 0,
    lidMaskControl: 0,
    capabilityFlags: 0,
    gigabits: 0, // the loopback has no physical link
    activeWidth: 0,
    activeSpeed: 0,
    physicalState: 5, // LinkUp
  }
}

export function gids(): GidEntry[] {
  try {
    listen()
  } catch {
    // Threads of this process may still use the device. A connection to another process tries again, and reports it.
  }
  return [{ port: 1, index: 0, gid: loopbackGid(), type: 'RoCE v2', interface: undefined }]
}
