import { abortReason, onAbort, throwIfAborted } from '../abort.js'

/** Keeps the process alive while somebody waits. The device counts the waiters. */
export interface Alive {
  stayAlive(): () => void
}

/** A wait that can be cancelled. Its promise then resolves. */
export interface Wait {
  readonly promise: Promise<void>
  cancel(): void
}

/** Calls `forget` also for an iteration that ends before its first step: its `finally` does not run then. */
export function forgetAtReturn<Value>(
  iteration: AsyncGenerator<Value, void>,
  forget: () => void,
): AsyncGenerator<Value, void> {
  const end = iteration.return.bind(iteration)
  iteration.return = (value) => {
    forget()
    return end(value)
  }
  return iteration
}

/** The waiters for one kind of event. */
export class Waiters {
  readonly #waiting = new Set<{ readonly resolve: () => void; readonly reject: (reason: unknown) => void }>()

  get any(): boolean {
    return this.#waiting.size > 0
  }

  /** Resolves at the next `wake`. @throws the signal's reason when it is already aborted */
  next(signal: AbortSignal | undefined, alive: Alive): Wait {
    throwIfAborted(signal)
    let cancel = () => {}
    const promise = new Promise<void>((resolve, reject) => {
      const letGo = alive.stayAlive()
      const end = (settle: () => void) => () => {
        this.#waiting.delete(waiter)
        letGo()
        deafen()
        settle()
      }
      const waiter = { resolve: end(resolve), reject: (reason: unknown) => end(() => reject(reason))() }
      const deafen = onAbort(signal, () => waiter.reject(abortReason(signal)))
      this.#waiting.add(waiter)
      cancel = waiter.resolve
    })
    return { promise, cancel }
  }

  wake(): void {
    for (const { resolve } of [...this.#waiting]) resolve()
  }

  fail(reason: unknown): void {
    for (const { reject } of [...this.#waiting]) reject(reason)
  }
}
