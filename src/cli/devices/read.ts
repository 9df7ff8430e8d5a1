import { toPinfoldError } from '../../errors.js'
import type {
  DeviceAttributes,
  DeviceListing,
  ForkStatus,
  GidEntry,
  PortAttributes,
} from '../../rdma/contract/device-attributes.js'
import type { Device } from '../../rdma/device.js'
import { listDevices, openDevice } from '../../rdma/devices/open-device.js'

/**
 * The report of `pinfold devices --json`. Sizes are bytes, and 64-bit masks are bigints. null means that there is no
 * value, or that it is not known.
 */
export interface DevicesReport {
  readonly schema: 'pinfold/devices/1'
  readonly devices: readonly DeviceReport[]
}

export interface DeviceReport {
  readonly name: string
  /** 'verbs' for a real device, 'loopback' for the device that each process contains. */
  readonly kind: 'verbs' | 'loopback'
  readonly guid: string
  readonly transport: string
  readonly nodeType: string
  readonly numaNode: number | null
  /** The reason why the device could not be queried. If there is one, all following fields are null. */
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null } | null
  readonly forkStatus: ForkStatus | null
  readonly attributes: DeviceAttributes | null
  readonly ports: readonly PortReport[] | null
}

export interface PortReport extends PortAttributes {
  readonly gidTable: readonly (Omit<GidEntry, 'port' | 'interface'> & { readonly interface: string | null })[]
  /** The index of the entry that connections use unless they name another one. */
  readonly bestGid: number | null
}

/**
 * Opens each device, queries it, and closes it. If one of several devices fails, its report contains the error.
 *
 * @throws PinfoldError the errors of `openDevice(name)`, if a device is named; the errors of libibverbs
 */
export function readDevices(name?: string): DevicesReport {
  const listed = listDevices()
  if (name !== undefined) openDevice(name).close()
  const wanted = name === undefined ? listed : listed.filter((device) => device.name === name)
  return { schema: 'pinfold/devices/1', devices: wanted.map(readDevice) }
}

function readDevice({ name, kind, guid, transport, nodeType, numaNode }: DeviceListing): DeviceReport {
  const listed = { name, kind, guid, transport, nodeType, numaNode: numaNode ?? null }
  try {
    using device = openDevice(name)
    const { forkStatus, attributes } = device
    return { ...listed, error: null, forkStatus, attributes, ports: readPorts(device) }
  } catch (error) {
    const { code, message, hint } = toPinfoldError(error)
    return { ...listed, error: { code, message, hint: hint ?? null }, forkStatus: null, attributes: null, ports: null }
  }
}

function readPorts(device: Device): PortReport[] {
  const { gids } = device
  return device.ports.map((port) => {
    const own = gids.filter((entry) => entry.port === port.port)
    return {
      ...port,
      gidTable: own.map(({ index, gid, type, interface: name }) => ({ index, gid, type, interface: name ?? null })),
      bestGid: own.length === 0 ? null : device.bestGid(port.port).index,
    }
  })
}
