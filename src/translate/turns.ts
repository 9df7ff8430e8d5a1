import { setImmediate } from 'node:timers/promises'
import { abortReason, isAborted, throwIfAborted } from '../abort.js'
import { now } from '../builtins.js'

/** Milliseconds that long work may keep the event loop from other work. */
const slice = 5

/** Long work as a generator: a step takes some hundred microseconds at most. It is done at once, or in turns. */
export type Steps<T> = Generator<void, T>

/** Does all steps at once. */
export function atOnce<T>(steps: Steps<T>): T {
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
}

/** Does the steps of one or several works in slices of 5 ms. Other work of the thread runs in between. */
export class Turns {
  readonly #signal: AbortSignal | undefined
  #end: number

  /** @throws the signal's reason when it is aborted */
  constructor(signal?: AbortSignal) {
    throwIfAborted(signal)
    this.#signal = signal
    this.#end = now() + slice
  }

  /** @throws as the steps; the signal's reason when it is aborted */
  async run<T>(steps: Steps<T>): Promise<T> {
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) return step.value
      if (now() < this.#end) continue
      await setImmediate()
      // `throw` runs what the steps have to do at their end.
      if (isAborted(this.#signal)) steps.throw(abortReason(this.#signal))
      this.#end = now() + slice
    }
  }
}
