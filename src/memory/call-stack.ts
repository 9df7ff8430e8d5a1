import { now } from '../builtins.js'

/** A function that a trace leaves out, with all functions that it called. */
export type Caller = (...args: never[]) => unknown

/** The stack above the call of `entry`, one line for each frame. */
export function captureStack(entry: Caller): string {
  const trace: { stack?: unknown } = {}
  try {
    Error.captureStackTrace(trace, entry)
    // Reading formats the stack. Until then V8 keeps the frames with their receivers, one of which may hold the region.
    const { stack } = trace
    return typeof stack === 'string' ? stack.slice(stack.indexOf('\n') + 1) : ''
  } catch {
    return '' // Error.prepareStackTrace of the program threw
  }
}

/**
 * Takes a limited number of stacks a second. A stack costs 10 to 30 µs, up to a hundred times the call that it belongs
 * to. So a program that calls now and then gets the stack of every call, and a program that calls in a loop is not
 * slowed down.
 */
export class StackSampler {
  readonly #perSecond: number
  #left: number
  #secondEnds = 0
  #passed = 0

  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#left = perSecond
  }

  /** As `captureStack`; undefined when this second's stacks are used up. */
  capture(entry: Caller): string | undefined {
    if (this.#left === 0 && !this.#isRefilled()) return undefined
    if (this.#left === this.#perSecond) this.#secondEnds = now() + 1000
    this.#left -= 1
    return captureStack(entry)
  }

  /** Reading the clock takes as long as half a hold, so it is read at every 16th call only. */
  #isRefilled(): boolean {
    this.#passed = (this.#passed + 1) & 15
    if (this.#passed !== 0 || now() < this.#secondEnds) return false
    this.#left = this.#perSecond
    return true
  }
}
