import { Buffer, everyRight } from './buffer.js'
import { Unsupported } from './case.js'
import {
  type Access,
  type Completion,
  type CompletionQueue,
  type CompletionQueueOptions,
  type ConnectOptions,
  type Device,
  type DeviceEvent,
  type MemoryRegistry,
  openRegistrySync,
  PinfoldError,
  type ProtectionDomain,
  type QueuePair,
  type QueuePairOptions,
} from './rdma.js'

/** One end of a connection. */
export interface End {
  readonly domain: ProtectionDomain
  readonly queue: CompletionQueue
  readonly queuePair: QueuePair
}

/** Two connected queue pairs. In the cases, `near` sends requests and `far` serves them. */
export interface Pair {
  readonly near: End
  readonly far: End
}

export interface EndOptions extends Omit<QueuePairOptions, 'sendQueue' | 'type'> {
  readonly queue?: CompletionQueue
  readonly domain?: ProtectionDomain
  /** The rights of the other end; all rights by default. */
  readonly access?: readonly Access[]
}

export interface PairOptions {
  readonly type?: 'RC' | 'UC'
  readonly near?: EndOptions
  readonly far?: EndOptions
  readonly connect?: ConnectOptions
}

/** Milliseconds that a case waits for an event that must come. This is far more than an emulated machine needs. */
export const deadline = 60_000
/** Milliseconds that a case waits for an event that a device may leave out, after its causes are over. */
const soon = 500

/** A device and a registry for one case, and functions that make objects of them. All are closed with the case. */
export class Kit {
  readonly device: Device
  readonly memory: MemoryRegistry = openRegistrySync({ leaks: 'off' })
  readonly #events: AsyncGenerator<DeviceEvent, void>
  #domain: ProtectionDomain | undefined
  readonly #open: () => Device
  readonly #others: Device[] = []
  #regions = 0

  constructor(open: () => Device) {
    this.#open = open
    this.device = open()
    this.#events = this.device.events()
  }

  /** Opens the same device once more. */
  another(): Device {
    const device = this.#open()
    this.#others.push(device)
    return device
  }

  /** The default domain of the case. */
  get domain(): ProtectionDomain {
    this.#domain ??= this.device.createDomain()
    return this.#domain
  }

  queue(options: Partial<CompletionQueueOptions> = {}): CompletionQueue {
    return this.device.createCompletionQueue({ entries: 256, ...options })
  }

  /** Registered memory on base pages; a page by default. */
  buffer(
    size = 4096,
    access = everyRight,
    options: { readonly domain?: ProtectionDomain; readonly address?: bigint } = {},
  ): Buffer {
    return this.part(size, 0, size, access, options)
  }

  /** As `buffer`, but only `length` bytes from `offset` on are registered. */
  part(
    size: number,
    offset: number,
    length: number,
    access = everyRight,
    { domain = this.domain, address }: { readonly domain?: ProtectionDomain; readonly address?: bigint } = {},
  ): Buffer {
    const whole = Math.ceil(size / 4096) * 4096
    const region = this.memory.allocateSync(`buffer-${++this.#regions}`, { size: whole, pages: 'base' })
    const registration = this.memory.registerSync(region.slice(offset, length), domain, access, { address })
    return new Buffer(region, registration, region.view(0, size))
  }

  /** A queue pair in RESET. */
  end(options: EndOptions & { readonly type?: 'RC' | 'UC' | 'UD' } = {}): End {
    const { queue = this.queue(), domain = this.domain, access: _, ...rest } = options
    const queuePair = domain.createQueuePair({ sendQueue: queue, sendRequests: 16, receiveRequests: 16, ...rest })
    return { domain, queue, queuePair }
  }

  pair({ type = 'RC', near: nearOptions = {}, far: farOptions = {}, connect = {} }: PairOptions = {}): Pair {
    const near = this.end({ type, ...nearOptions })
    const far = this.end({ type, ...farOptions })
    this.connect({ near, far }, connect, nearOptions.access, farOptions.access)
    return { near, far }
  }

  connect({ near, far }: Pair, options: ConnectOptions = {}, nearAccess = rights, farAccess = rights): void {
    const toNear = near.queuePair.describe()
    near.queuePair.connect(far.queuePair.describe(), { ...options, access: nearAccess })
    far.queuePair.connect(toNear, { ...options, access: farAccess })
  }

  /** Waits for the next `count` completions. @throws if they do not come */
  async completions(queue: CompletionQueue, count: number): Promise<Completion[]> {
    const found: Completion[] = []
    const signal = AbortSignal.timeout(deadline)
    while (found.length < count) {
      try {
        found.push(...(await queue.wait({ signal, most: count - found.length })))
      } catch (error) {
        if (!signal.aborted) throw error
        throw new Error(`${found.length} of ${count} completions came: ${JSON.stringify(found.map(shown))}`)
      }
    }
    return found
  }

  /** Waits for the next completion. @throws if none comes */
  async completion(queue: CompletionQueue): Promise<Completion> {
    const [first] = await this.completions(queue, 1)
    if (first === undefined) throw new Error('no completion came')
    return first
  }

  /** Waits for a completion that may not come. Returns undefined after half a second. */
  async completionSoon(queue: CompletionQueue): Promise<Completion | undefined> {
    const signal = AbortSignal.timeout(soon)
    try {
      return (await queue.wait({ signal, most: 1 }))[0]
    } catch (error) {
      if (!signal.aborted) throw error
      return undefined
    }
  }

  /** The status of the next completion. */
  async status(queue: CompletionQueue): Promise<string> {
    return (await this.completion(queue)).status
  }

  /** The statuses of the next `count` completions, in order: 'SUCCESS, WR_FLUSH_ERR'. */
  async statuses(queue: CompletionQueue, count: number): Promise<string> {
    return (await this.completions(queue, count)).map(({ status }) => status).join(', ')
  }

  /** Waits for the next event of this type since the case began, and passes over others. @throws if none comes */
  async event(type: DeviceEvent['type']): Promise<DeviceEvent> {
    const event = await this.#eventWithin(deadline, type)
    if (event === undefined) throw new Error(`no event ${type} came`)
    return event
  }

  /** As `event`, for an event that may not come. Returns undefined after half a second. */
  eventSoon(type: DeviceEvent['type']): Promise<DeviceEvent | undefined> {
    return this.#eventWithin(soon, type)
  }

  async #eventWithin(milliseconds: number, type: DeviceEvent['type']): Promise<DeviceEvent | undefined> {
    const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), milliseconds).unref())
    for (;;) {
      const next = await Promise.race([this.#events.next(), late])
      if (next === undefined || next.value === undefined) return undefined
      if (next.value.type === type) return next.value
    }
  }

  /** Waits for a condition that no completion reports. @throws if it does not become true */
  async until(isTrue: () => boolean, what: string): Promise<void> {
    const end = performance.now() + deadline
    while (!isTrue()) {
      if (performance.now() > end) throw new Error(`it did not come true that ${what}`)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  /** Calls a function that a device may lack. @throws Unsupported if the device reports the lack itself */
  optional<Result>(what: string, call: () => Result): Result {
    try {
      return call()
    } catch (error) {
      if (error instanceof PinfoldError && isLack(error)) throw new Unsupported(`${what}: ${reasonOf(error)}`)
      throw error
    }
  }

  /**
   * Excuses a known difference of Soft-RoCE from the specification and from other devices.
   *
   * @throws Unsupported if this device is Soft-RoCE, and it differs
   */
  excuse(isOtherwise: boolean, what: string): void {
    const { kind, attributes } = this.device
    // rxe_param.h: RXE_VENDOR_ID
    if (isOtherwise && kind === 'verbs' && attributes.vendorId === 0xff_ffff) throw new Unsupported(what)
  }

  /** Closes all objects of the case that are still open. */
  close(): void {
    for (const device of [...this.#others, this.device]) device.close({ force: true })
    this.memory.close()
  }
}

/** The refusal of a call: its code, and the errno of a device; 'taken' if the call succeeded. */
export function refusal(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof PinfoldError) return codeOf(error)
    throw error
  }
  return 'taken'
}

/** Posts until the queue is full, and counts the posted requests. A device may have more room than it reports. */
export function fill(post: () => unknown): number {
  for (let taken = 0; taken < 4096; taken++) {
    if (refusal(post) !== 'taken') return taken
  }
  throw new Error('it is never full')
}

function codeOf({ code, errno }: PinfoldError): string {
  return code === 'ERR_DEVICE_REFUSED' ? `${code} ${errnoName(errno ?? 0)}` : code
}

function errnoName(errno: number): string {
  return (
    { 1: 'EPERM', 2: 'ENOENT', 12: 'ENOMEM', 14: 'EFAULT', 22: 'EINVAL', 61: 'ENODATA', 110: 'ETIMEDOUT' }[errno] ??
    `errno ${errno}`
  )
}

/** True if the device or the library reports that it lacks a function. */
function isLack({ code }: PinfoldError): boolean {
  return code === 'ERR_UNSUPPORTED' || code === 'ERR_VERBS_SYMBOL'
}

function reasonOf({ code, syscall }: PinfoldError): string {
  return syscall === undefined ? code : `${code} of ${syscall}`
}

const rights: readonly Access[] = ['remoteWrite', 'remoteRead', 'remoteAtomic']

function shown({ id, status }: Completion): string {
  return `${id} ${status}`
}
