import { cpus, hostname, release } from 'node:os'
import { preferredGid } from '../rdma/contract/gids.js'
import type { Device } from '../rdma/device.js'
import { listDevices } from '../rdma/devices/open-device.js'
import type { Region } from '../registry/region.js'
import { readKernelFile } from '../system/kernel-files.js'
import type { DeviceFacts, HostFacts, MemoryFacts } from './report.js'

/** The choices of a run that its facts depend on. */
export interface FactsOptions {
  readonly port: number
  /** The index of the GID that the run uses, if an option has chosen it. */
  readonly gidIndex?: number | undefined
  /** Whether an option of the run chose the CPUs of this thread. */
  readonly pinned: boolean
  /** null if each result tells its own. */
  readonly memory: MemoryFacts | null
}

/** The facts of this host and thread, with a device that is open. */
export function hostFacts(device: Device, { port, gidIndex, pinned, memory }: FactsOptions): HostFacts {
  return {
    name: hostname(),
    kernel: release(),
    node: process.version,
    processor: cpus()[0]?.model ?? 'unknown',
    cpus: allowedCpus(),
    pinned,
    device: deviceFacts(device, port, gidIndex),
    memory,
  }
}

/** The pages and nodes that the kernel has given to a region. */
export function memoryFacts({ pages, pageSize, hugeShare, nodes }: Region): MemoryFacts {
  return { pages, pageSize, hugeShare, nodes: [...nodes] }
}

function deviceFacts(device: Device, port: number, gidIndex: number | undefined): DeviceFacts {
  const { state, linkLayer, activeMtu } = device.port(port)
  const node = listDevices().find(({ name }) => name === device.name)?.numaNode ?? null
  return {
    name: device.name,
    kind: device.kind,
    node,
    port,
    linkState: state,
    linkLayer,
    mtu: activeMtu,
    gid: gidFacts(device, port, gidIndex),
  }
}

function gidFacts(device: Device, port: number, index: number | undefined): DeviceFacts['gid'] {
  const own = device.gids.filter((entry) => entry.port === port)
  if (index === undefined) {
    const best = preferredGid(own)
    return best === undefined ? null : { index: best.index, gid: best.gid, reason: best.reason }
  }
  const chosen = own.find((entry) => entry.index === index)
  return chosen === undefined ? null : { index, gid: chosen.gid, reason: 'chosen by an option' }
}

/** The CPUs that this thread may run on (proc_pid_status(5)). */
function allowedCpus(): string {
  return /^Cpus_allowed_list:\s*(\S+)/m.exec(readKernelFile('/proc/thread-self/status') ?? '')?.[1] ?? 'unknown'
}
