import { abortReason, isAborted, onAbort } from '../abort.js'

/**
 * Stops one allocation, once, with a reason. (An AbortController for each allocation would take longer than all the
 * rest of a call.)
 */
export class Stop {
  #stopped: { readonly reason: unknown } | undefined
  #listener: (() => void) | undefined

  get isStopped(): boolean {
    return this.#stopped !== undefined
  }

  get reason(): unknown {
    return this.#stopped?.reason
  }

  /** Only the first call counts. */
  stop(reason: unknown): void {
    if (this.#stopped !== undefined) return
    this.#stopped = { reason }
    this.#listener?.()
  }

  /** Stops with the signal of a caller. Returns the function that ends this, if there is one. */
  follow(signal: AbortSignal | undefined): (() => void) | undefined {
    if (signal === undefined) return undefined
    const relay = () => this.stop(abortReason(signal))
    if (isAborted(signal)) relay()
    return onAbort(signal, relay)
  }

  /** Calls `listener` when it is stopped, in place of the listener before. */
  listen(listener: (() => void) | undefined): void {
    this.#listener = listener
  }
}
