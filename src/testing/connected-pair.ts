import * as z from 'zod/mini'
import { disposeAll, disposeBy } from '../disposal.js'
import { parsePages } from '../memory/page-kinds.js'
import { checked, later, optionsObject, optionsOf, sizeOption, text } from '../options.js'
import type { CompletionQueue } from '../rdma/completion-queue.js'
import type { ConnectOptions } from '../rdma/connection.js'
import type { Access } from '../rdma/contract/access-flags.js'
import { positiveCount } from '../rdma/contract/number-options.js'
import type { Device } from '../rdma/device.js'
import { openDevice } from '../rdma/devices/open-device.js'
import { deviceObject } from '../rdma/object-checks.js'
import type { ProtectionDomain } from '../rdma/protection-domain.js'
import type { QueuePair, QueuePairOptions } from '../rdma/queue-pair.js'
import type { Registration } from '../rdma/registration.js'
import { parseRemoteMemory, type RemoteMemory } from '../rdma/remote-memory.js'
import type { MemoryRegistry } from '../registry/memory-registry.js'
import { openRegistrySync } from '../registry/open-registry.js'
import type { Region } from '../registry/region.js'
import type { Size } from '../sizes.js'
import type { PagesName } from '../system/page-sizes.js'

const pairTypes = ['RC', 'UC'] as const
const remoteRights = ['remoteWrite', 'remoteRead', 'remoteAtomic'] as const satisfies readonly Access[]

const deviceExpected = "expected a device's name, { loopback: true }, or an open Device"
const pairOptions = later(() =>
  optionsOf<ConnectedPairOptions>()({
    device: z.optional(
      z.union(
        [
          deviceObject('device'),
          text(255).check(z.minLength(1)),
          optionsObject({ loopback: z.literal(true, { error: 'expected true' }) }),
        ],
        { error: deviceExpected },
      ),
    ),
    type: z.optional(z.enum(pairTypes, { error: `expected one of ${pairTypes.join(', ')}` })),
    size: z.optional(sizeOption),
    pages: z.optional(z.custom<PagesName>(isPagesName, { error: "expected a kind of pages such as 'base' or '2MiB'" })),
    entries: z.optional(positiveCount),
    // The calls that these options are for check what is inside.
    queuePair: z.optional(z.custom<PairQueueOptions>(isObject, { error: 'expected options of a queue pair' })),
    connect: z.optional(z.custom<ConnectOptions>(isObject, { error: 'expected options of connect' })),
  }),
)

/** The options of a queue pair that `connectedPair` does not choose itself. */
export type PairQueueOptions = Omit<QueuePairOptions, 'type' | 'sendQueue' | 'receiveQueue' | 'sharedReceiveQueue'>

/** The options of `connectedPair`. */
export interface ConnectedPairOptions {
  /**
   * The device: its name ('rxe0'), or the loopback. A Device that is already open is used, and stays open when the pair is
   * closed. Default: a loopback of the pair's own.
   */
  readonly device?: string | { readonly loopback: true } | Device | undefined
  /** 'RC' (reliable connection) or 'UC' (unreliable connection). Default: 'RC'. */
  readonly type?: (typeof pairTypes)[number] | undefined
  /** The size of the region at each end, in bytes, or with a unit ('64KiB'). Default: 64 KiB. */
  readonly size?: Size | undefined
  /** The pages of the regions. Default: 'base', which each machine has. */
  readonly pages?: PagesName | undefined
  /** The entries of the completion queue at each end. Default: 256. */
  readonly entries?: number | undefined
  /** Options of both queue pairs. Default: those of `createQueuePair`. */
  readonly queuePair?: PairQueueOptions | undefined
  /** Options of `connect` at both ends. Default: the peer may write, read and use atomics, as far as the type can. */
  readonly connect?: ConnectOptions | undefined
}

/** One end of a connected pair. */
export interface ConnectedEnd {
  readonly queuePair: QueuePair
  /** The completions of its sends and receives. */
  readonly queue: CompletionQueue
  readonly region: Region
  /** The registration of the whole region, with all local and remote rights. */
  readonly memory: Registration
  /** The region of the other end, as the target of one-sided requests of this end. */
  readonly remote: RemoteMemory
}

/** Two queue pairs that are connected to each other, with registered memory at both ends. */
export class ConnectedPair {
  readonly device: Device
  readonly domain: ProtectionDomain
  readonly registry: MemoryRegistry<'near' | 'far'>
  readonly near: ConnectedEnd
  readonly far: ConnectedEnd
  readonly #owned: readonly Disposable[]
  #closed = false

  /** @internal Made by `connectedPair()`. */
  constructor(parts: Omit<ConnectedPair, 'closed' | 'close' | typeof Symbol.dispose>, owned: readonly Disposable[]) {
    this.device = parts.device
    this.domain = parts.domain
    this.registry = parts.registry
    this.near = parts.near
    this.far = parts.far
    this.#owned = owned
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * Closes both ends and everything that was made on their domain and queues, then the memory, then the device, if the pair
   * has opened it. A second call does nothing.
   *
   * @throws PinfoldError the first error of these calls, after all of them were tried: `ERR_REGION_HELD` if the program
   *   holds a region
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    disposeAll(this.#owned)
  }

  [Symbol.dispose](): void {
    disposeBy(() => this.close())
  }
}

/**
 * Makes two queue pairs that are connected to each other, on one device, each with a completion queue and a registered
 * region. Close the pair at the end of the test: `using pair = connectedPair()`, or `pair.close()` in a `finally`.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OBJECT_CLOSED`; errors of `openDevice`, of the allocation, and of the
 *   device. Nothing is left open then
 */
export function connectedPair(options: ConnectedPairOptions = {}): ConnectedPair {
  const given = checked('connectedPair', pairOptions, options)
  const { device: wanted = { loopback: true }, type = 'RC', size = 65_536, pages = 'base', entries = 256 } = given
  /** What is closed with the pair, the newest first. */
  const owned: Disposable[] = []
  const own = <Thing extends Disposable>(thing: Thing): Thing => {
    owned.unshift(thing)
    return thing
  }
  try {
    const isOpen = typeof wanted !== 'string' && !('loopback' in wanted)
    const device = isOpen ? wanted : own(openDevice(wanted))
    const registry = own(openRegistrySync({ regions: { near: { size, pages }, far: { size, pages } } }))
    const domain = own(device.createDomain())
    const begin = (name: 'near' | 'far') => {
      const queue = own(device.createCompletionQueue({ entries }))
      return {
        queue,
        queuePair: own(domain.createQueuePair({ ...given.queuePair, type, sendQueue: queue })),
        region: registry.regions[name],
        memory: registry.registerSync(registry.regions[name], domain, ['localWrite', ...remoteRights]),
      }
    }
    const near = begin('near')
    const far = begin('far')
    // An unreliable connection serves no reads and atomics (ibv_post_send(3)).
    const rights = { access: type === 'RC' ? remoteRights : remoteRights.slice(0, 1), ...given.connect }
    near.queuePair.connect(far.queuePair.describe(), rights)
    far.queuePair.connect(near.queuePair.describe(), rights)
    const reaching = (other: Registration): RemoteMemory => parseRemoteMemory(other.describe())
    return new ConnectedPair(
      {
        device,
        domain,
        registry,
        near: { ...near, remote: reaching(far.memory) },
        far: { ...far, remote: reaching(near.memory) },
      },
      owned,
    )
  } catch (error) {
    try {
      disposeAll(owned)
    } catch {
      // What the device refuses to close ends with the thread. The program learns what went wrong first.
    }
    throw error
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

function isPagesName(value: unknown): boolean {
  return typeof value === 'string' && parsePages(value) !== undefined
}
