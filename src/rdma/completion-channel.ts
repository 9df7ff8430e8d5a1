import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { checked, later, optionsObject, signalOption } from '../options.js'
import type { CompletionQueue } from './completion-queue.js'
import type { Handle } from './contract/device-calls.js'
import type { Device } from './device.js'
import { callsOf, DeviceObject, handleOf } from './device-object.js'
import { Waiters } from './waiters.js'

const waitOptions = later(() => optionsObject({ signal: z.optional(signalOption) }))

/**
 * Collects the events of completion queues (ibv_comp_channel), for a program that waits for several queues at once. A program
 * that waits for one queue uses `queue.wait()` and needs no channel.
 */
export class CompletionChannel extends DeviceObject {
  readonly device: Device
  readonly #pending = new Set<CompletionQueue>()
  readonly #waiters = new Waiters()

  /** Made by `device.createCompletionChannel()`. */
  constructor(device: Device, handle: Handle) {
    super('completion channel', handle, [device])
    this.device = device
  }

  /**
   * Waits until one of its queues has an event, which that queue's `requestNotification` has requested. The program then
   * polls the queue, and requests the next event.
   *
   * @throws the signal's reason when it is aborted; PinfoldError `ERR_OBJECT_CLOSED` also when it is closed meanwhile
   */
  async next(options: { signal?: AbortSignal | undefined } = {}): Promise<CompletionQueue> {
    const { signal } = checked('next', waitOptions, options)
    for (;;) {
      this.requireOpen('next')
      for (const queue of this.#pending) {
        this.#pending.delete(queue)
        return queue
      }
      await this.#waiters.next(signal, this.device).promise
    }
  }

  /** @internal One of its queues has an event. */
  notified(queue: CompletionQueue): void {
    this.#pending.add(queue)
    this.#waiters.wake()
  }

  /** @internal */
  forget(queue: CompletionQueue): void {
    this.#pending.delete(queue)
  }

  protected override destroy(): void {
    callsOf(this).destroyChannel(handleOf(this))
    this.#waiters.fail(
      new PinfoldError(`next: ${this.label} was closed`, { code: 'ERR_OBJECT_CLOSED', values: { object: this.label } }),
    )
  }
}
