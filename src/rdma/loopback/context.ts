import { eventTypes } from '../contract/async-events.js'
import type { DeviceListener, Handle } from '../contract/device-calls.js'
import type { CompletionStore } from './completion-store.js'
import { HandleTable } from './handle-table.js'
import type { Domain, Path, PostedSend, QueuePairEndpoint, SharedReceives, Window } from './records.js'
import type { RegisteredMemory } from './registered-memory.js'
import { Scratch } from './scratch.js'

/** Device memory that was allocated. */
export interface OwnMemory {
  readonly bytes: Uint8Array
  uses: number
}

/**
 * Decides about the first waiting request of a queue pair: undefined lets it be carried out; 'held' leaves it waiting, and
 * the gate will call `resume`; 'done' says that the gate has completed it.
 */
export type Gate = (queuePair: QueuePairEndpoint, first: PostedSend) => 'held' | 'done' | undefined

/** One open loopback device: its objects, and the listener of its events. */
export class LoopbackContext {
  readonly domains = new HandleTable<Domain>('domain')
  readonly registrations = new HandleTable<RegisteredMemory>('registration')
  readonly windows = new HandleTable<Window>('memory window')
  readonly channels = new HandleTable<{ uses: number }>('completion channel')
  readonly completionQueues = new HandleTable<CompletionStore>('completion queue')
  readonly shared = new HandleTable<SharedReceives>('shared receive queue')
  readonly queuePairs = new HandleTable<QueuePairEndpoint>('queue pair')
  readonly paths = new HandleTable<Path>('address handle')
  readonly deviceMemory = new HandleTable<OwnMemory>('device memory')
  readonly scratch = new Scratch()
  deviceMemoryUsed = 0
  /** Whether requests take the way to another process even if their target is in this thread. */
  readonly isApart: boolean
  /** Only requests that wait pass the gate. A test that makes bad weather (src/testing/weather) lets all of them wait. */
  gate: Gate | undefined
  #listener: DeviceListener | undefined
  #pending: (() => void)[] = []
  #alive: NodeJS.Timeout | undefined
  #closed = false

  constructor(isApart = false) {
    this.isApart = isApart
  }

  get closed(): boolean {
    return this.#closed
  }

  listen(listener: DeviceListener): void {
    this.#listener = listener
  }

  keepAlive(wanted: boolean): void {
    clearInterval(this.#alive)
    this.#alive = wanted && !this.#closed ? setInterval(() => {}, 2 ** 30) : undefined
  }

  notify(queue: CompletionStore): void {
    const channel = this.channels.find(queue.channel)
    if (channel !== undefined) this.#later(() => this.#listener?.completion(queue.handle))
  }

  overran(queue: CompletionStore): void {
    this.tell(eventTypes.byName.CQ_ERR, queue.handle)
  }

  /** An asynchronous event. */
  tell(type: number, element: Handle): void {
    this.#later(() => this.#listener?.event(type, element))
  }

  close(): void {
    this.#closed = true
    this.keepAlive(false)
    this.#listener = undefined
  }

  /** Calls from the event loop, as a device does: never from inside the call that caused the event. */
  #later(call: () => void): void {
    if (this.#pending.push(call) > 1) return
    setImmediate(() => {
      for (const pending of this.#pending.splice(0)) pending()
    })
  }
}
