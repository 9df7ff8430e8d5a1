import type { NativeDevice, NativeGid, NativeListing, NativePort } from '../../native-verbs.js'
import { unknownGidType } from '../../native-verbs.js'
import { readKernelFile, readKernelNumber } from '../../system/kernel-files.js'
import {
  atomicCapabilities,
  type DeviceAttributes,
  type DeviceListing,
  deviceCapabilities,
  type ForkStatus,
  type GidEntry,
  onDemandOperations,
  type PortAttributes,
} from '../contract/device-attributes.js'
import { bitNames, names } from '../contract/enum-names.js'
import { mtuBytes, portStates } from '../contract/states.js'
import { hexGroups } from './attribute-words.js'

/** `enum ibv_node_type` and `enum ibv_transport_type`, without their prefixes. */
const nodeTypes = names({ UNKNOWN: -1, CA: 1, SWITCH: 2, ROUTER: 3, RNIC: 4, USNIC: 5, USNIC_UDP: 6, UNSPECIFIED: 7 })
const transports = names({ UNKNOWN: -1, IB: 0, IWARP: 1, USNIC: 2, USNIC_UDP: 3, UNSPECIFIED: 4 })

/** `enum ibv_odp_general_caps` */
const onDemandGeneral = { supported: 1n, implicit: 2n } as const

/** Lanes by `active_width`; Gbit/s of a lane by `active_speed` (IBTA 14.2.5.6, PortInfo). */
const lanes = new Map([
  [1, 1],
  [2, 4],
  [4, 8],
  [8, 12],
  [16, 2],
])
const laneGigabits = new Map([
  [1, 2.5],
  [2, 5],
  [4, 10],
  [8, 10],
  [16, 14],
  [32, 25],
  [64, 50],
  [128, 100],
])

export function listing({ name, guid, nodeType, transport }: NativeListing): DeviceListing {
  const node = readKernelNumber(`/sys/class/infiniband/${name}/device/numa_node`)
  return {
    name,
    kind: 'verbs',
    guid: hexGroups(guid),
    transport: transports.nameOf(transport),
    nodeType: nodeTypes.nameOf(nodeType),
    numaNode: node === undefined || node < 0 ? undefined : node,
  }
}

export function deviceAttributes(device: NativeDevice): DeviceAttributes {
  const { onDemand, onDemandRc, onDemandUc, onDemandUd, ...same } = device
  return {
    ...same,
    nodeGuid: hexGroups(device.nodeGuid),
    systemImageGuid: hexGroups(device.systemImageGuid),
    capabilities: bitNames(deviceCapabilities, device.capabilities),
    atomics: atomicCapabilities.nameOf(device.atomics),
    onDemand: {
      supported: (onDemand & onDemandGeneral.supported) !== 0n,
      implicit: (onDemand & onDemandGeneral.implicit) !== 0n,
      rc: bitNames(onDemandOperations, onDemandRc),
      uc: bitNames(onDemandOperations, onDemandUc),
      ud: bitNames(onDemandOperations, onDemandUd),
    },
  }
}

export function portAttributes(number: number, port: NativePort): PortAttributes {
  return {
    ...port,
    port: number,
    state: portStates.nameOf(port.state),
    linkLayer: linkLayer(port.linkLayer),
    activeMtu: mtuBytes(port.activeMtu),
    maxMtu: mtuBytes(port.maxMtu),
    gigabits: (lanes.get(port.activeWidth) ?? 0) * (laneGigabits.get(port.activeSpeed) ?? 0),
  }
}

function linkLayer(value: number): PortAttributes['linkLayer'] {
  if (value === 2) return 'Ethernet'
  // Drivers that are older than this field do not set it. Their ports are InfiniBand (ibv_query_port(3)).
  return value === 0 || value === 1 ? 'InfiniBand' : 'unspecified'
}

export function gidEntry(device: string, { port, index, type, high, low, interface: name }: NativeGid): GidEntry {
  const gid = `${hexGroups(high)}:${hexGroups(low)}`
  if (type !== unknownGidType) {
    return { port, index, gid, type: gidTypes.get(type) ?? 'unknown', interface: name === '' ? undefined : name }
  }
  // A library without ibv_query_gid_table reports neither type nor interface, so they come from the kernel.
  const attributes = `/sys/class/infiniband/${device}/ports/${port}/gid_attrs`
  const found = readQuietly(`${attributes}/types/${index}`)
  return {
    port,
    index,
    gid,
    type: kernelTypes.get(found ?? '') ?? 'unknown',
    interface: readQuietly(`${attributes}/ndevs/${index}`),
  }
}

const gidTypes = new Map<number, GidEntry['type']>([
  [0, 'IB'],
  [1, 'RoCE v1'],
  [2, 'RoCE v2'],
])
const kernelTypes = new Map<string, GidEntry['type']>([
  ['IB/RoCE v1', 'RoCE v1'],
  ['RoCE v2', 'RoCE v2'],
])

/** The text of a file of the GID table; undefined if it cannot be read. Reading an empty entry fails with EINVAL. */
function readQuietly(path: string): string | undefined {
  try {
    return readKernelFile(path)?.trim()
  } catch {
    return undefined // the entry is then reported as unknown
  }
}

const forkStatuses: readonly ForkStatus[] = ['disabled', 'enabled', 'unneeded']

export function forkStatus(status: number): ForkStatus {
  return forkStatuses[status] ?? 'unknown'
}
