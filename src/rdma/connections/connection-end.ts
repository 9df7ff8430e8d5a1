import { abortReason, onAbort, throwIfAborted } from '../../abort.js'
import { now } from '../../builtins.js'
import { PinfoldError } from '../../errors.js'
import { announce, isWatched, type Opening } from '../../memory/openings.js'
import type { ConnectionEvent, ConnectionId } from '../contract/connection-calls.js'
import type { Device } from '../device.js'
import { callsOf, internalsOf } from '../device-object.js'

/** How long a call may wait, and for whom it stops. */
export interface Patience {
  /** The call, in messages. */
  readonly subject: string
  readonly signal: AbortSignal | undefined
  /** The time limit in ms, for messages. */
  readonly timeout: number
  /** When it is over, by the clock of `now`. */
  readonly end: number
}

export function patience(subject: string, timeout: number, signal: AbortSignal | undefined): Patience {
  return { subject, signal, timeout, end: now() + timeout }
}

/** The rest of the time, in whole ms. */
export function left({ end }: Patience): number {
  return Math.max(0, Math.ceil(end - now()))
}

/** Waits for a promise that cannot be cancelled. @throws the signal's reason, or `ERR_CONNECTION_TIMEOUT` */
export async function within<Value>(device: Device, limit: Patience, work: Promise<Value>): Promise<Value> {
  work.catch(() => {}) // if the signal stops the wait, nobody else takes its error
  throwIfAborted(limit.signal)
  return await new Promise<Value>((resolve, reject) => {
    const letGo = device.stayAlive()
    const finish = (settle: () => void) => {
      clearTimeout(timer)
      deafen()
      letGo()
      settle()
    }
    const timer = setTimeout(() => finish(() => reject(timedOut(limit))), left(limit))
    const deafen = onAbort(limit.signal, () => finish(() => reject(abortReason(limit.signal))))
    work.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error)),
    )
  })
}

export function timedOut({ subject, timeout }: Patience): PinfoldError {
  return new PinfoldError(`${subject}: there was no answer within ${timeout} ms`, {
    code: 'ERR_CONNECTION_TIMEOUT',
    values: { timeout },
  })
}

/** Something that ends with its device. */
export interface EndsWithDevice {
  /** The device is about to be closed. It must not throw. */
  deviceCloses(): void
}

interface Waiter {
  resolve(event: ConnectionEvent): void
  reject(reason: unknown): void
}

/**
 * Owns a connection id, and hands over its events in order. It ends with its device at the latest. Its events are kept
 * until somebody waits for them, or until `follow` gives them a listener.
 */
export class ConnectionEnd implements EndsWithDevice, Opening {
  readonly device: Device
  readonly id: ConnectionId
  /** Its name in a search for leaks: what it belongs to. */
  label = 'connection'
  readonly #onClose: (() => void)[] = []
  readonly #kept: ConnectionEvent[] = []
  #waiter: Waiter | undefined
  #listener: ((event: ConnectionEvent) => void) | undefined
  #onEnd: ((reason: PinfoldError) => void) | undefined
  #ended = false

  constructor(device: Device, id: ConnectionId) {
    this.device = device
    this.id = id
    id.onEvent((event) => this.#told(event))
    internalsOf(device).connections.add(this)
    if (isWatched()) announce(this)
  }

  get ended(): boolean {
    return this.#ended
  }

  get closed(): boolean {
    return this.#ended
  }

  onClose(listener: () => void): void {
    this.#onClose.push(listener)
  }

  /** Waits for the next event. @throws the signal's reason; `ERR_CONNECTION_TIMEOUT`; `ERR_OBJECT_CLOSED` */
  async next(limit: Patience): Promise<ConnectionEvent> {
    throwIfAborted(limit.signal)
    const kept = this.#kept.shift()
    if (kept !== undefined) return kept
    if (this.#ended) throw closedWithDevice(limit.subject, this.device)
    const arrival = new Promise<ConnectionEvent>((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
    try {
      return await within(this.device, limit, arrival)
    } finally {
      this.#waiter = undefined
    }
  }

  /** From now on, events go to `listener`, those that are kept first. `onEnd` is called if the device closes before. */
  follow(listener: (event: ConnectionEvent) => void, onEnd: (reason: PinfoldError) => void): void {
    this.#onEnd = onEnd
    this.#listener = listener
    for (const event of this.#kept.splice(0)) listener(event)
  }

  /** Ends `follow`: events are kept again. */
  unfollow(): void {
    this.#onEnd = undefined
    this.#listener = undefined
  }

  deviceCloses(): void {
    if (this.#ended) return
    const reason = closedWithDevice('connection', this.device)
    this.#quietly(() => this.end())
    this.#waiter?.reject(reason)
    this.#onEnd?.(reason)
  }

  /** Destroys the id. A second call does nothing. @throws PinfoldError errors of the device */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    internalsOf(this.device).connections.delete(this)
    for (const listener of this.#onClose.splice(0)) listener()
    for (const { request } of this.#kept.splice(0)) this.#quietly(() => request?.destroy())
    this.id.destroy()
  }

  /** As `end`, for a caller that has an error to throw already. */
  abandon(): void {
    this.#quietly(() => this.end())
  }

  #told(event: ConnectionEvent): void {
    if (this.#listener !== undefined) this.#listener(event)
    else if (this.#waiter === undefined) this.#kept.push(event)
    else {
      const waiter = this.#waiter
      this.#waiter = undefined
      waiter.resolve(event)
    }
  }

  #quietly(call: () => void): void {
    try {
      call()
    } catch {
      // An id that cannot be destroyed ends with the thread. The caller has an error of its own.
    }
  }
}

/** Makes an id on this device. @throws PinfoldError of the device */
export function openEnd(device: Device, datagrams: boolean): ConnectionEnd {
  return new ConnectionEnd(device, callsOf(device).connections.create(datagrams))
}

function closedWithDevice(subject: string, device: Device): PinfoldError {
  return new PinfoldError(`${subject}: ${device.label} was closed`, {
    code: 'ERR_OBJECT_CLOSED',
    values: { object: device.label },
  })
}
