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

/** Two connected queue pairs: cases let `near` ask, and `far` serve. */
export interface Pair {
  readonly near: End
  readonly far: End
}

export interface EndOptions extends Omit<QueuePairOptions, 'sendQueue' | 'type'> {
  readonly queue?: CompletionQueue
  readonly domain?: ProtectionDomain
  /** What the other end may do here; all by default. */
  readonly access?: readonly Access[]
}

export interface PairOptions {
  readonly type?: 'RC' | 'UC'
  readonly near?: EndOptions
  readonly far?: EndOptions
  readonly connect?: ConnectOptions
}

/** How long a case waits for what must come: far longer than it takes, also in an emulated machine. */
export const deadline = 20_000
/** How long it waits for what a device may leave out, once all that could bring it about is over. */
const soon = 500

/** What a case works with: a device of its own, a registry of its own, and what it makes of them. All go with the case. */
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

  /** The same device, opened once more. */
  another(): Device {
    const device = this.#open()
    this.#others.push(device)
    return device
  }

  /** The domain of all that names no other. */
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

  /** As `buffer`, of which only `length` bytes from `offset` on are registered. */
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

  /** The next `count` completions. @throws when they do not come */
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

  /** The next completion. @throws when none comes */
  async completion(queue: CompletionQueue): Promise<Completion> {
    const [first] = await this.completions(queue, 1)
    if (first === undefined) throw new Error('no completion came')
    return first
  }

  /** The next completion, of what may not complete; undefined when it has not in half a second. */
  async completionSoon(queue: CompletionQueue): Promise<Completion | undefined> {
    const signal = AbortSignal.timeout(soon)
    try {
      return (await queue.wait({ signal, most: 1 }))[0]
    } catch (error) {
      if (!signal.aborted) throw error
      return undefined
    }
  }

  /** The status of what comes next. */
  async status(queue: CompletionQueue): Promise<string> {
    return (await this.completion(queue)).status
  }

  /** The statuses of the next `count`, in order: 'SUCCESS, WR_FLUSH_ERR'. */
  async statuses(queue: CompletionQueue, count: number): Promise<string> {
    return (await this.completions(queue, count)).map(({ status }) => status).join(', ')
  }

  /** The next event of this type, since the case began; others are passed over. @throws when none comes */
  async event(type: DeviceEvent['type']): Promise<DeviceEvent> {
    const event = await this.#eventWithin(deadline, type)
    if (event === undefined) throw new Error(`no event ${type} came`)
    return event
  }

  /** As `event`, of one that may not come; undefined when it has not in half a second. */
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

  /** Waits for what no completion tells. @throws when it does not come true */
  async until(isTrue: () => boolean, what: string): Promise<void> {
    const end = performance.now() + deadline
    while (!isTrue()) {
      if (performance.now() > end) throw new Error(`it did not come true that ${what}`)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  /** What a device may lack: it has to say so itself. @throws Unsupported */
  optional<Result>(what: string, call: () => Result): Result {
    try {
      return call()
    } catch (error) {
      if (error instanceof PinfoldError && isLack(error)) throw new Unsupported(`${what}: ${reasonOf(error)}`)
      throw error
    }
  }

  /**
   * What Soft-RoCE is known to do otherwise than the specification has it, and other devices: told as what it lacks.
   *
   * @throws Unsupported
   */
  excuse(isOtherwise: boolean, what: string): void {
    const { kind, attributes } = this.device
    // rxe_param.h: RXE_VENDOR_ID
    if (isOtherwise && kind === 'verbs' && attributes.vendorId === 0xff_ffff) throw new Unsupported(what)
  }

  /** Closes all of it; what is closed already is left alone. */
  close(): void {
    for (const device of [...this.#others, this.device]) device.close({ force: true })
    this.memory.close()
  }
}

/** What a call is refused with: the code, and what a device has set errno to. */
export function refusal(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof PinfoldError) return codeOf(error)
    throw error
  }
  return 'taken'
}

/** Posts until it is refused; how often it was taken. A device may have more room than it says. */
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

/** EOPNOTSUPP and its kin, however the device or the library says it. */
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
