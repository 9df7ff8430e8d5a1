import { PinfoldError, toPinfoldError } from '../../errors.js'
import type { CompletionQueue } from '../../rdma/completion-queue.js'
import type { DeviceListing } from '../../rdma/contract/device-attributes.js'
import type { Device } from '../../rdma/device.js'
import { listDevices, openDevice } from '../../rdma/devices/open-device.js'
import type { ProtectionDomain } from '../../rdma/protection-domain.js'
import type { QueuePair } from '../../rdma/queue-pair.js'
import type { Registration } from '../../rdma/registration.js'
import { parseRemoteMemory } from '../../rdma/remote-memory.js'
import type { MemoryRegistry } from '../../registry/memory-registry.js'
import type { Region } from '../../registry/region.js'
import { MiB } from '../../sizes.js'
import { openReserveDescriptor } from '../../system/reserve-descriptor.js'
import { countDifferences, writePattern } from './pattern.js'
import type { DeviceStep } from './report.js'

/** Bytes that one request writes. */
const chunk = MiB
/** Chunk `n` gets the pattern of `seed + n`, so that a chunk in the wrong place is noticed. */
const seed = 0xd00d
/** Milliseconds. A request takes far less, even in an emulated machine. */
const patience = 30_000

/**
 * Registers the region with the first device that works, in the end the loopback. A second queue pair then writes the
 * whole region by one-sided writes. Nothing of the device stays open.
 */
export async function writeByDevice(memory: MemoryRegistry, region: Region): Promise<DeviceStep> {
  const passedOver: { device: string; code: string; reason: string }[] = []
  const devices = listDevices()
  for (const listing of devices) {
    try {
      return { ...(await writeThrough(listing, memory, region)), passedOver }
    } catch (error) {
      // A real device may belong to another user, have no link, or be limited. The last device is in this process, and
      // must work.
      if (listing === devices.at(-1)) throw error
      const { code, message } = toPinfoldError(error)
      passedOver.push({ device: listing.name, code, reason: message })
    }
  }
  throw new PinfoldError('there is no RDMA device, not even the loopback', { code: 'ERR_DEVICE_UNKNOWN' })
}

/**
 * Opens the first device and closes it. The part of pinfold that waits for events of real devices then stays until the
 * process ends. It belongs to no region, so it must exist before the first count.
 */
export function openOnce(): void {
  openReserveDescriptor()
  try {
    openDevice().close()
  } catch {
    // writeByDevice reports a device that cannot be opened.
  }
}

async function writeThrough(
  { name }: DeviceListing,
  memory: MemoryRegistry,
  region: Region,
): Promise<Omit<DeviceStep, 'passedOver'>> {
  const device = openDevice(name)
  try {
    requireActive(device)
    const domain = device.createDomain()
    const begin = performance.now()
    const registration = await memory.register(region, domain, ['localWrite', 'remoteWrite'])
    const milliseconds = performance.now() - begin
    const access = [...registration.access]
    const write = await writeAll(memory, region, registration, domain)
    return { name, kind: device.kind, registration: { bytes: registration.length, access, milliseconds }, write }
  } finally {
    device.close({ force: true })
  }
}

function requireActive(device: Device): void {
  const { state } = device.port(1)
  if (state === 'ACTIVE') return
  throw new PinfoldError(`port 1 of ${device.name} is ${state}`, { code: 'ERR_DEVICE_REFUSED', values: { state } })
}

/**
 * Writes each chunk from another region, as a peer would: the writer knows only what the registration's description
 * contains.
 */
async function writeAll(
  memory: MemoryRegistry,
  region: Region,
  registration: Registration,
  domain: ProtectionDomain,
): Promise<DeviceStep['write']> {
  // The description passes through JSON, as it would over a network.
  const target = parseRemoteMemory(JSON.parse(JSON.stringify(registration.describe())))
  using source = await memory.allocate('demo-source', { size: chunk, pages: 'base' })
  using sourceRegistration = await memory.register(source, domain, [])
  const { from, queue } = connected(domain)
  let milliseconds = 0
  let differences = 0
  for (let offset = 0; offset < region.size; offset += chunk) {
    writePattern(source.bytes, seed + offset / chunk)
    const begin = performance.now()
    from.post({ operation: 'write', memory: sourceRegistration, remote: target.slice(offset, chunk) })
    const [completion] = await queue.wait({ signal: AbortSignal.timeout(patience) })
    milliseconds += performance.now() - begin
    if (completion?.ok !== true) throw refused(completion?.status ?? 'no status')
    differences += countDifferences(region.view(offset, chunk), seed + offset / chunk)
  }
  return { bytes: region.size, requests: region.size / chunk, differences, milliseconds }
}

/** Connects two queue pairs of this process to each other. `from` writes, and `to` lets its peer write. */
function connected(domain: ProtectionDomain): { readonly from: QueuePair; readonly queue: CompletionQueue } {
  const queue = domain.device.createCompletionQueue({ entries: 256 })
  const from = domain.createQueuePair({ sendQueue: queue })
  const to = domain.createQueuePair({ sendQueue: queue })
  to.connect(from.describe(), { access: ['remoteWrite'] })
  from.connect(to.describe())
  return { from, queue }
}

function refused(status: string): PinfoldError {
  return new PinfoldError(`the write ended with ${status}`, { code: 'ERR_DEVICE_REFUSED', values: { status } })
}
