import { PinfoldError } from '../errors.js'
import { accessBits } from './contract/access-flags.js'
import { sendWord } from './contract/work-layout.js'
import { handleOf, internalsOf } from './device-object.js'
import type { MemoryWindow } from './memory-window.js'
import type { QueuePair } from './queue-pair.js'
import { asSlice, type RegistrationSlice } from './registration-slice.js'
import type { SendRequest } from './send-request.js'

/** The change of a window by a request, once it is posted. */
export interface StagedWindow {
  readonly window: MemoryWindow
  /** Undefined when it is closed. */
  readonly bound: RegistrationSlice | undefined
  readonly isZeroBased: boolean
  /** The index of the request in its batch. */
  readonly index: number
}

/** The changes of windows by the requests of a batch, which become true when the batch is posted. */
export class StagedWindows {
  readonly #queuePair: QueuePair
  readonly #words: Uint32Array
  #staged: StagedWindow[] = []

  constructor(queuePair: QueuePair, words: Uint32Array) {
    this.#queuePair = queuePair
    this.#words = words
  }

  clear(): void {
    if (this.#staged.length > 0) this.#staged = []
  }

  /** The changes. None are left. */
  take(): readonly StagedWindow[] {
    const staged = this.#staged
    this.clear()
    return staged
  }

  /** Writes the request at word `at`, with that index in the batch, which closes a window of type 2. */
  invalidate(at: number, index: number, target: MemoryWindow | number): void {
    if (typeof target === 'number') {
      this.#words[at + sendWord.immediate] = target
      const window = internalsOf(this.#queuePair).boundWindows.get(target)
      if (window !== undefined) this.#staged.push({ window, bound: undefined, isZeroBased: false, index })
      return
    }
    target.requireOpen('post')
    this.#words[at + sendWord.immediate] = target.keyAfter(this.#bindsOf(target))
    this.#staged.push({ window: target, bound: undefined, isZeroBased: false, index })
  }

  /** Writes the request at word `at`, which opens or closes a window. */
  bind(at: number, index: number, request: Extract<SendRequest, { operation: 'bind' }>): void {
    const { window, memory, access = [] } = request
    window.requireOpen('post')
    requireSame(this.#queuePair, window)
    const words = this.#words
    words[at + sendWord.window] = handleOf(window)
    words[at + sendWord.bindAccess] = accessBits('bind', [...access, 'localWrite']) & ~1
    words[at + sendWord.bindKey] = window.type === 2 ? window.keyAfter(this.#bindsOf(window) + 1) : 0
    const bound = memory === undefined ? undefined : asSlice(memory)
    if (bound !== undefined) {
      bound.registration.requireOpen('post')
      requireSame(this.#queuePair, bound.registration)
      words[at + sendWord.bindRegistration] = handleOf(bound.registration)
      this.#write(at + sendWord.bindOffset, bound.offset)
      this.#write(at + sendWord.bindLength, bound.length)
    }
    this.#staged.push({ window, bound, isZeroBased: access.includes('zeroBased'), index })
  }

  /** How often this batch binds a window already: each bind changes its key. */
  #bindsOf(window: MemoryWindow): number {
    if (window.type === 1) return 0
    return this.#staged.filter((staged) => staged.window === window && staged.bound !== undefined).length
  }

  #write(at: number, value: number): void {
    this.#words[at] = value
    this.#words[at + 1] = value / 2 ** 32
  }
}

/** @throws PinfoldError `ERR_DOMAIN_MISMATCH` for an object of another device than the queue pair's */
export function requireSame(
  { device }: QueuePair,
  object: { readonly label: string; readonly device: { readonly name: string } },
): void {
  if (object.device === device) return
  throw new PinfoldError(`post: ${object.label} is with ${object.device.name}, not with ${device.name}`, {
    code: 'ERR_DOMAIN_MISMATCH',
    values: { object: object.label, device: device.name },
  })
}
