import * as z from 'zod/mini'
import { throwIfAborted } from '../abort.js'
import { PinfoldError } from '../errors.js'
import { checked, later, optionsObject, optionsOf, signalOption } from '../options.js'
import { type Completion, Completions } from './completion.js'
import type { CompletionChannel } from './completion-channel.js'
import { type CompletionStreamOptions, completionStream } from './completion-stream.js'
import type { Handle } from './contract/device-calls.js'
import { count, positiveCount, whole, word16 } from './contract/number-options.js'
import type { Device } from './device.js'
import { callsOf, DeviceObject, handleOf, internalsOf, requireSameDevice } from './device-object.js'
import { ExpectedCompletions } from './expected-completions.js'
import { deviceObject } from './object-checks.js'
import type { QueuePair } from './queue-pair.js'
import { requestLost } from './request-failure.js'
import { RequestWatch } from './request-watch.js'
import { inTurn } from './turns.js'
import { type Wait, Waiters } from './waiters.js'

const queueOptions = later(() =>
  optionsOf<CompletionQueueOptions>()({
    entries: positiveCount,
    channel: z.optional(deviceObject('completion channel')),
    vector: z.optional(count),
    extended: z.optional(z.boolean()),
    timestamps: z.optional(z.boolean()),
  }),
)

/** A completion queue's options. */
export interface CompletionQueueOptions {
  /**
   * Completions that it has room for; the device may grant more. It needs room for all requests that may be
   * outstanding: those of its queue pairs and of their shared receive queues. A queue that overruns is dead
   * (`ERR_QUEUE_OVERRUN`).
   */
  readonly entries: number
  /** The channel of its events. Default: a channel of the device itself. */
  readonly channel?: CompletionChannel | undefined
  /** The number of the device's interrupt. Default: 0. */
  readonly vector?: number | undefined
  /** Whether it is a queue of ibv_create_cq_ex(3). Default: the value of `timestamps`. */
  readonly extended?: boolean | undefined
  /** Whether each completion has its device time; this implies `extended`. Default: false. */
  readonly timestamps?: boolean | undefined
}

const pollMost = later(() => whole(1, 2 ** 16))
const notificationOptions = later(() => optionsObject({ solicitedOnly: z.optional(z.boolean()) }))
const waitOptions = later(() => optionsObject({ signal: z.optional(signalOption), most: z.optional(pollMost) }))
const moderation = later(() => optionsObject({ count: word16, microseconds: word16 }))
const defaults: { readonly signal?: AbortSignal; readonly most?: number } = {}
const completionsArgument = later(() => z.custom<Completions>(Completions.isMade, { error: 'expected a Completions' }))

/**
 * Receives the completions of the work requests of queue pairs (ibv_cq).
 *
 * A queue overruns when more requests complete than it has room for. The device reports CQ_ERR, and from then on all calls
 * but `resize` and `close` throw `ERR_QUEUE_OVERRUN`. The completions that it still holds are not handed out: some are
 * missing, and nobody can tell which.
 */
export class CompletionQueue extends DeviceObject {
  readonly device: Device
  readonly channel: CompletionChannel
  #entries: number
  #scratch = new Completions(16)
  readonly #waiters = new Waiters()
  /** Made for the first tracked request. */
  #watch: RequestWatch | undefined
  #hasOverrun = false
  #hasWarned = false
  /** @internal */
  readonly expected = new ExpectedCompletions()

  /** Made by `device.createCompletionQueue()`. */
  constructor(device: Device, channel: CompletionChannel, handle: Handle, entries: number) {
    super('completion queue', handle, [device, channel])
    this.device = device
    this.channel = channel
    this.#entries = entries
    internalsOf(this).queues.set(handle, this)
  }

  /** Completions that it has room for. */
  get entries(): number {
    return this.#entries
  }

  /**
   * Takes the completions, oldest first; an empty array when there are none.
   *
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_QUEUE_OVERRUN`; errors of the device
   */
  poll(most = 16): Completion[] {
    if (most !== 16) checked('poll: most', pollMost, most)
    if (this.#scratch.capacity < most) this.#scratch = new Completions(most)
    this.#requireAlive('poll')
    const completions = this.#scratch
    const found = this.#fill(completions, most)
    const list: Completion[] = []
    for (let index = 0; index < found; index++) list[index] = completions.at(index)
    return list
  }

  /**
   * As `poll`, into an object that the program keeps: nothing is allocated.
   *
   * @returns the number of completions, which is also `completions.count`
   * @throws PinfoldError as `poll`
   */
  pollInto(completions: Completions): number {
    if (!Completions.isMade(completions)) checked('pollInto: completions', completionsArgument, completions)
    this.#requireAlive('pollInto')
    completions.count = this.#fill(completions, completions.capacity)
    return completions.count
  }

  /**
   * Waits for a completion without spinning, then does the same as `poll`. Keeps the process alive meanwhile.
   *
   * @throws the signal's reason when it is aborted; PinfoldError `ERR_OBJECT_CLOSED` and `ERR_QUEUE_OVERRUN` also when it is
   *   closed, or overruns, meanwhile
   */
  wait(options?: { signal?: AbortSignal | undefined; most?: number | undefined }): Promise<Completion[]> {
    // Not an async function: with a completion already there, the rest would take longer than the poll.
    try {
      const { signal, most = 16 } = options === undefined ? defaults : checked('wait', waitOptions, options)
      throwIfAborted(signal)
      const found = this.poll(most)
      return found.length > 0 ? inTurn(found) : this.#await(most, signal)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #await(most: number, signal: AbortSignal | undefined): Promise<Completion[]> {
    for (;;) {
      const event = this.#waiters.next(signal, this.device)
      const missed = this.#askForEvent(most, event)
      if (missed.length > 0) return missed
      await event.promise
      const found = this.poll(most)
      if (found.length > 0) return found
    }
  }

  /**
   * The completions from now on, in bursts: `for await (const burst of queue.completions())`. Each burst is the same
   * `Completions` object, filled anew, so that nothing is allocated for a completion: read it before the next one. It never
   * ends by itself. While it waits, it keeps the process alive.
   *
   * @throws the signal's reason when it is aborted; PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OBJECT_CLOSED` and
   *   `ERR_QUEUE_OVERRUN`, also when it is closed, or overruns, meanwhile
   */
  completions(options: CompletionStreamOptions = {}): AsyncGenerator<Completions, void> {
    this.#requireAlive('completions')
    const arm = (signal: AbortSignal | undefined) => {
      const event = this.#waiters.next(signal, this.device)
      try {
        this.requestNotification()
      } catch (error) {
        event.cancel()
        throw error
      }
      return event
    }
    return completionStream({ pollInto: (into) => this.pollInto(into), arm }, options)
  }

  /** A completion from before the request makes no event, so the queue is polled once more. */
  #askForEvent(most: number, event: Wait): Completion[] {
    let missed: Completion[] = []
    let isAsked = false
    try {
      callsOf(this).requestNotification(handleOf(this), false)
      missed = this.poll(most)
      isAsked = missed.length === 0
      return missed
    } finally {
      if (!isAsked) event.cancel()
    }
  }

  /**
   * The next completion makes one event: on the channel, and for a caller of `wait`.
   *
   * @param options `solicitedOnly`: the next completion that the sender has marked as solicited, or that failed
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_QUEUE_OVERRUN`
   */
  requestNotification(options: { readonly solicitedOnly?: boolean | undefined } = {}): void {
    const { solicitedOnly = false } = checked('requestNotification', notificationOptions, options)
    this.#requireAlive('requestNotification')
    callsOf(this).requestNotification(handleOf(this), solicitedOnly)
  }

  /** Changes its room. @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_UNSUPPORTED` */
  resize(entries: number): void {
    checked('resize: entries', positiveCount, entries)
    this.requireOpen('resize')
    this.#entries = callsOf(this).resizeCompletionQueue(handleOf(this), entries)
  }

  /**
   * Joins events: one comes after `count` completions, or `microseconds` after the first of them (ibv_modify_cq(3)). Both are
   * 16 bits; 0 and 0 is one event at once, as a new queue has it.
   *
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`; `ERR_UNSUPPORTED`: Soft-RoCE and the loopback cannot do it
   */
  moderate(options: { readonly count: number; readonly microseconds: number }): void {
    const { count, microseconds } = checked('moderate', moderation, options)
    this.#requireAlive('moderate')
    callsOf(this).moderateCompletionQueue(handleOf(this), count, microseconds)
  }

  /** @internal The device has reported an event. */
  notified(): void {
    this.channel.notified(this)
    this.#waiters.wake()
  }

  /** @internal The device has reported lost completions (CQ_ERR). A waiter at the channel gets the queue, too. */
  overran(): void {
    this.#hasOverrun = true
    this.channel.notified(this)
    this.#waiters.fail(this.#overrun('wait'))
    this.#watch?.lose(this.#overrun('request'))
  }

  /** @internal Warns once when more requests may be outstanding than it has room for. */
  warnIfTooSmall(subject: string): void {
    const requests = this.expected.total
    if (this.#hasWarned || requests <= this.#entries) return
    this.#hasWarned = true
    process.emitWarning(
      `${subject}: ${requests} requests may be outstanding on ${this.label}, which has room for ${this.#entries} completions`,
      {
        type: 'PinfoldQueueWarning',
        code: 'PINFOLD_QUEUE_ENTRIES',
        detail: `A queue that overruns is dead (ERR_QUEUE_OVERRUN). Create it with { entries: ${requests} } or more.`,
      },
    )
  }

  /** @internal For requests whose completions the library takes itself. */
  get watch(): RequestWatch {
    this.#watch ??= new RequestWatch({
      device: this.device,
      waiters: this.#waiters,
      room: () => this.#entries,
      fill: (completions, most) => {
        this.#requireAlive('poll')
        return this.#fillFromDevice(completions, most)
      },
      requestNotification: () => callsOf(this).requestNotification(handleOf(this), false),
    })
    return this.#watch
  }

  /** @internal Something that discards requests follows: those that have completed are not lost by it. */
  settle(): void {
    this.#watch?.settle()
  }

  /** @internal A queue pair was closed or reset: none of its requests completes any more. */
  lose(reason: unknown, queuePair: QueuePair): void {
    this.#watch?.lose(reason, queuePair)
  }

  #fill(completions: Completions, most: number): number {
    return this.#watch === undefined ? this.#fillFromDevice(completions, most) : this.#watch.fill(completions, most)
  }

  #fillFromDevice(completions: Completions, most: number): number {
    const { calls, boundWindows } = internalsOf(this)
    const found = calls.poll(handleOf(this), completions.words, most)
    if (boundWindows.size === 0) return found
    for (let index = 0; index < found; index++) {
      const key = completions.invalidated(index)
      if (key !== undefined) boundWindows.get(key)?.unbind()
    }
    return found
  }

  #requireAlive(subject: string): void {
    this.requireOpen(subject)
    if (this.#hasOverrun) throw this.#overrun(subject)
  }

  #overrun(subject: string): PinfoldError {
    const entries = this.#entries
    return new PinfoldError(`${subject}: ${this.label} has overrun its ${entries} entries, and completions are lost`, {
      code: 'ERR_QUEUE_OVERRUN',
      values: { object: this.label, entries, requests: this.expected.total },
      hint: 'close its queue pairs and create a queue with an entry for each request that may be outstanding',
    })
  }

  protected override destroy(): void {
    callsOf(this).destroyCompletionQueue(handleOf(this))
    internalsOf(this).queues.delete(handleOf(this))
    this.channel.forget(this)
    this.#watch?.lose(requestLost('request', this.label))
    this.#waiters.fail(closed(this.label))
  }
}

/** @internal */
export function createCompletionQueue(device: Device, options: CompletionQueueOptions): CompletionQueue {
  const {
    entries,
    channel,
    vector = 0,
    timestamps = false,
    extended = timestamps,
  } = checked('createCompletionQueue', queueOptions, options)
  requireSameDevice('createCompletionQueue', device, channel === undefined ? [] : [channel])
  const events = channel ?? device.ownChannel()
  try {
    const made = callsOf(device).createCompletionQueue({
      entries,
      channel: handleOf(events),
      vector,
      extended: extended || timestamps,
      timestamps,
    })
    const queue = new CompletionQueue(device, events, made.handle, made.entries)
    queue.onClose(() => device.leaveChannel(events))
    return queue
  } catch (error) {
    device.leaveChannel(events)
    throw error
  }
}

function closed(label: string): PinfoldError {
  return new PinfoldError(`wait: ${label} was closed`, { code: 'ERR_OBJECT_CLOSED', values: { object: label } })
}
