import { toPinfoldError } from '../../../errors.js'
import type { ForkStatus } from '../../../rdma/contract/device-attributes.js'
import { openDevice } from '../../../rdma/devices/open-device.js'
import { type Finding, finding } from '../finding.js'
import { firmwareOf, kernelDevices, portsOf, verbsNode } from './sysfs.js'

/**
 * Opens and queries each device that the kernel knows, as a program would. The last finding is the effect of a fork on
 * registered memory.
 */
export function* examineDevices(): Iterable<Finding> {
  const devices = kernelDevices()
  if (devices.length === 0) {
    const seen = 'no real device: openDevice() opens the loopback, which is in this process'
    yield finding('rdma.devices', 'info', seen, { values: { devices } })
    return
  }
  const forks = new Set<ForkStatus>()
  for (const device of devices) {
    const { found, forkStatus } = examineDevice(device)
    if (forkStatus !== undefined) forks.add(forkStatus)
    yield found
  }
  const [forkStatus] = forks
  if (forkStatus !== undefined) yield examineFork(forkStatus)
}

/** The facts from sysfs are reported in any case, since reading them needs no right to open the device. */
function examineDevice(name: string): { readonly found: Finding; readonly forkStatus?: ForkStatus } {
  const id = `rdma.device.${name}`
  const ports = portsOf(name)
  const values = { device: name, firmware: firmwareOf(name), node: verbsNode(name), ports }
  const states = ports.map(({ port, state, link, rate }) => `port ${port} ${state}, ${link}, ${rate}`).join('; ')
  try {
    using device = openDevice(name)
    const { gids, forkStatus } = device
    const seen = `${states}; ${gids.length} ${gids.length === 1 ? 'GID' : 'GIDs'}`
    const isReady = ports.some(({ state, port }) => state === 'ACTIVE' && gids.some((entry) => entry.port === port))
    const own = { ...values, gids, forkStatus }
    return { found: finding(id, isReady ? 'ok' : 'warn', seen, { values: own, mend: upCommand(gids) }), forkStatus }
  } catch (error) {
    const { code, message, hint } = toPinfoldError(error)
    const seen = `${states}; cannot be opened: ${message.replaceAll('\n', ' ')}`
    return { found: finding(id, 'warn', seen, { values: { ...values, code }, mend: hint }) }
  }
}

/**
 * The command to use if there is no GID, and so no connection: GIDs come from the addresses of the network interface.
 */
function upCommand(gids: readonly unknown[]): string | undefined {
  return gids.length > 0 ? undefined : 'rdma link show   # names the network interface to bring up'
}

const forkNotes = {
  enabled: ['ok', 'registered memory survives a fork'],
  unneeded: ['ok', 'a fork takes no registered page away: this kernel copies them'],
  disabled: [
    'info',
    'not prepared: only regions are safe in a process that forks; RDMAV_FORK_SAFE=1 protects the rest',
  ],
  unknown: ['info', 'this libibverbs is too old to tell; regions are safe'],
} as const

function examineFork(forkStatus: ForkStatus): Finding {
  const [status, seen] = forkNotes[forkStatus]
  return finding('rdma.fork', status, seen, { values: { forkStatus } })
}
