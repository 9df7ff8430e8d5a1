/** The function that a trace leaves out, with all that it called. */
export type Caller = (...args: never[]) => unknown

/** Where `entry` was called from, one line a frame. */
export function captureStack(entry: Caller): string {
  const trace: { stack?: unknown } = {}
  try {
    Error.captureStackTrace(trace, entry)
    // Read, and so formatted, at once: until then V8 keeps the frames with their receivers, and one of them may be
    // what holds the region.
    const { stack } = trace
    return typeof stack === 'string' ? stack.slice(stack.indexOf('\n') + 1) : ''
  } catch {
    return '' // the program's own Error.prepareStackTrace threw
  }
}

// The clock as it was at import: a test's fake timers would stand still.
const now = performance.now.bind(performance)

/**
 * Takes stacks up to a number a second. A stack costs 10 to 30 µs, a hundred times what it may be taken of; so a program
 * that calls now and then has the stack of every call, and one that calls in a loop is not slowed down.
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
