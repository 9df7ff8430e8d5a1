import { PinfoldError } from '../errors.js'
import type { Handle } from './contract/device-calls.js'
import type { Device } from './device.js'
import { callsOf, DeviceObject, handleOf, internalsOf } from './device-object.js'
import type { ProtectionDomain } from './protection-domain.js'
import type { QueuePair } from './queue-pair.js'
import type { Registration, RegistrationSlice } from './registration.js'
import { describeMemory, type RemoteMemoryDescription } from './remote-memory.js'

let bindings = 0

/**
 * A window on a registration: remote access that is given and taken back by work requests, much faster than registering.
 *
 * Type 1 gets its key from the device with each bind, and is closed by a bind of length 0. Type 2 belongs to the queue
 * pair that bound it, the low byte of its key is the program's, and it is closed by an invalidate, ours or the peer's:
 * by the peer's it is bound to nothing once the completion that names its key was polled.
 * One of type 2 is best invalidated, or closed, before that queue pair: Soft-RoCE waits 50 seconds for it otherwise.
 */
export class MemoryWindow extends DeviceObject {
  readonly domain: ProtectionDomain
  readonly type: 1 | 2
  #rkey: number
  #bound: { readonly memory: RegistrationSlice; readonly start: bigint; readonly generation: number } | undefined
  /** What knows that it is bound to it: the registration, and with type 2 the queue pair. */
  #boundTo: readonly { readonly windows: Set<MemoryWindow> }[] = []

  /** Made by `domain.allocateWindow()`. */
  constructor(domain: ProtectionDomain, type: 1 | 2, handle: Handle, rkey: number) {
    super('memory window', handle, [domain])
    this.domain = domain
    this.type = type
    this.#rkey = rkey
  }

  get device(): Device {
    return this.domain.device
  }

  /** Its key, as of the last bind that was posted. Shown by no log and no inspection. */
  get rkey(): number {
    return this.#rkey
  }

  /** The registration of the last bind that was posted; undefined when there was none, or it was closed since. */
  get registration(): Registration | undefined {
    return this.#bound?.memory.registration
  }

  /**
   * What a peer needs to use it, once the bind has completed.
   *
   * @throws PinfoldError `ERR_OBJECT_CLOSED`; `ERR_INVALID_ARGUMENT` when it is bound to nothing
   */
  describe(): RemoteMemoryDescription {
    this.requireOpen('describe')
    if (this.#bound === undefined) {
      throw new PinfoldError(`describe: ${this.label} is bound to nothing`, {
        code: 'ERR_INVALID_ARGUMENT',
        values: { object: this.label },
      })
    }
    const { memory, start, generation } = this.#bound
    return describeMemory(start, memory.length, this.#rkey, generation)
  }

  /**
   * @internal The key that so many binds from now on give a window of type 2: each another low byte (ibv_inc_rkey).
   */
  keyAfter(binds: number): number {
    return ((this.#rkey & 0xffff_ff00) | ((this.#rkey + binds) & 0xff)) >>> 0
  }

  /**
   * @internal A bind to `memory` was posted on `queuePair`; undefined: one of length 0, or an invalidate. Peers count from 0
   * in a window that is zero based, else as in the registration.
   */
  posted(memory: RegistrationSlice | undefined, isZeroBased: boolean, queuePair: QueuePair): void {
    this.unbind()
    if (memory === undefined) return
    this.#boundTo = [memory.registration, ...(this.type === 2 ? [queuePair] : [])]
    for (const { windows } of this.#boundTo) windows.add(this)
    this.#rkey = this.type === 2 ? this.keyAfter(1) : callsOf(this).windowKey(handleOf(this))
    const start = isZeroBased ? 0n : memory.registration.address + BigInt(memory.offset)
    this.#bound = { memory, start, generation: ++bindings }
    if (this.type === 2) internalsOf(this).boundWindows.set(this.#rkey, this)
  }

  /** @internal It is bound to nothing any more: its key is dead, whoever has invalidated it. */
  unbind(): void {
    const { boundWindows } = internalsOf(this)
    if (boundWindows.get(this.#rkey) === this) boundWindows.delete(this.#rkey)
    for (const { windows } of this.#boundTo) windows.delete(this)
    this.#boundTo = []
    this.#bound = undefined
  }

  protected override destroy(): void {
    callsOf(this).freeWindow(handleOf(this))
    this.unbind()
  }
}
