import { PinfoldError } from '../errors.js'
import type { Handle } from './contract/device-calls.js'
import type { Device } from './device.js'
import { callsOf, DeviceObject, handleOf, internalsOf } from './device-object.js'
import type { ProtectionDomain } from './protection-domain.js'
import type { QueuePair } from './queue-pair.js'
import type { Registration } from './registration.js'
import type { RegistrationSlice } from './registration-slice.js'
import { describeMemory, type RemoteMemoryDescription } from './remote-memory.js'

let bindings = 0

/**
 * A window on a registration: work requests give and take back remote access, much faster than a registration.
 *
 * A window of type 1 gets its key from the device with each bind. A bind of length 0 closes it. A window of type 2 belongs to
 * the queue pair that bound it, and the program chooses the low byte of its key. An invalidate closes it, by us or by the
 * peer. After an invalidate by the peer it is unbound as soon as the program polls the completion that names its key.
 * Invalidate or close a window of type 2 before its queue pair is closed: otherwise Soft-RoCE waits 50 seconds for it.
 */
export class MemoryWindow extends DeviceObject {
  readonly domain: ProtectionDomain
  readonly type: 1 | 2
  #rkey: number
  #bound: { readonly memory: RegistrationSlice; readonly start: bigint; readonly generation: number } | undefined
  /** The objects that list it as bound to them: the registration, and with type 2 the queue pair. */
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

  /** Its key after the last bind that was posted. No log and no inspection shows it. */
  get rkey(): number {
    return this.#rkey
  }

  /** The registration of the last bind that was posted; undefined when there is none, or the window was closed since. */
  get registration(): Registration | undefined {
    return this.#bound?.memory.registration
  }

  /**
   * The description with which a peer can use it, once the bind has completed.
   *
   * @throws PinfoldError `ERR_OBJECT_CLOSED`; `ERR_INVALID_ARGUMENT` when it is not bound
   */
  describe(): RemoteMemoryDescription {
    this.requireOpen('describe')
    if (this.#bound === undefined) {
      throw new PinfoldError(`describe: ${this.label} is not bound`, {
        code: 'ERR_INVALID_ARGUMENT',
        values: { object: this.label },
      })
    }
    const { memory, start, generation } = this.#bound
    return describeMemory(start, memory.length, this.#rkey, generation)
  }

  /**
   * @internal The key of a window of type 2 after that many binds: each bind takes the next low byte (ibv_inc_rkey).
   */
  keyAfter(binds: number): number {
    return ((this.#rkey & 0xffff_ff00) | ((this.#rkey + binds) & 0xff)) >>> 0
  }

  /**
   * @internal A bind to `memory` was posted on `queuePair`; undefined: a bind of length 0, or an invalidate. The addresses in
   * a window that is zero based start at 0, in any other as in the registration.
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

  /** @internal It is no longer bound: it was invalidated here or by the peer, and its key is dead. */
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
