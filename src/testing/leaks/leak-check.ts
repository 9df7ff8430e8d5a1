import * as z from 'zod/mini'
import { disposeBy } from '../../disposal.js'
import { PinfoldError } from '../../errors.js'
import { FirstFew } from '../../first-few.js'
import { type Opening, watchOpenings } from '../../memory/openings.js'
import { checked, later, optionsOf } from '../../options.js'
import { count } from '../../rdma/contract/number-options.js'
import { type Counts, type Measure, machineMeasures, processMeasures } from './process-use.js'

const scopes = ['thread', 'process', 'machine'] as const

/** How far a search for leaks looks; each scope contains the one before. */
export type LeakScope = (typeof scopes)[number]

/** The options of a search for leaks. */
export interface LeakOptions {
  /**
   * - 'thread': regions and objects of devices that this thread opens.
   * - 'process': also descriptors, mappings, hugepages, loans and objects of libibverbs of the whole process. Other threads
   *   must open and close nothing meanwhile.
   * - 'machine': also the hugepage pools. No other process may use hugepages meanwhile.
   *
   * Default: 'process' in a main thread, 'thread' in a worker, where other test files may run beside.
   */
  readonly scope?: LeakScope | undefined
  /**
   * How long a search that may wait looks again, in ms, until nothing is left: after `closeAsync`, memory is on its way.
   * Default: 1,000.
   */
  readonly within?: number | undefined
}

const leakOptions = later(() =>
  optionsOf<LeakOptions>()({
    scope: z.optional(z.enum(scopes, { error: `expected one of ${scopes.join(', ')}` })),
    within: z.optional(count),
  }),
)
const testArgument = later(() =>
  z.custom<() => unknown>((value) => typeof value === 'function', { error: 'expected a function' }),
)

/** Looks for things that were opened since it was made, and are still open. */
export class LeakCheck {
  readonly scope: LeakScope
  readonly #within: number
  readonly #open = new Set<Opening>()
  readonly #unwatch: () => void
  readonly #before: readonly { readonly measure: Measure; readonly counts: Counts }[]
  readonly #subject: string

  /** @internal Made by `leakCheck()` and `expectNoLeaks()`. */
  constructor(subject: string, { scope = usualScope(), within = 1000 }: LeakOptions) {
    this.scope = scope
    this.#within = within
    this.#subject = subject
    const measures = [...(scope === 'thread' ? [] : processMeasures), ...(scope === 'machine' ? machineMeasures : [])]
    this.#before = measures.map((measure) => ({ measure, counts: measure.count() }))
    this.#unwatch = watchOpenings((opened) => {
      this.#open.add(opened)
      opened.onClose(() => this.#open.delete(opened))
    })
  }

  /** What is left now, a line for each: regions and objects in the order in which they were opened, then the rest. */
  left(): string[] {
    const open = [...this.#open].filter(({ closed }) => !closed).map(({ label }) => label)
    const more = this.#before.flatMap(({ measure, counts }) =>
      [...measure.count()].flatMap(([name, now]) => {
        const grown = now - (counts.get(name) ?? 0)
        return grown > 0 ? [measure.leak(name, grown)] : []
      }),
    )
    return [...open, ...more]
  }

  /** @throws PinfoldError `ERR_LEFT_OPEN` that lists what is left now */
  verify(): void {
    const left = this.left()
    if (left.length === 0) return
    const few = new FirstFew(left, left.length)
    throw new PinfoldError(`${this.#subject}: still open: ${few}`, {
      code: 'ERR_LEFT_OPEN',
      values: { left: few.names, count: few.count },
      hint: 'close what the test has opened: using x = …, or x.close() in a finally',
    })
  }

  /** As `verify`, but looks again, for `within` ms, until nothing is left. @throws PinfoldError `ERR_LEFT_OPEN` */
  async verifyAsync(): Promise<void> {
    const end = performance.now() + this.#within
    while (this.left().length > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 1))
    this.verify()
  }

  /** Stops watching. A second call does nothing. */
  end(): void {
    this.#unwatch()
    this.#open.clear()
  }

  [Symbol.dispose](): void {
    disposeBy(() => {
      try {
        this.verify()
      } finally {
        this.end()
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.verifyAsync()
    } finally {
      this.end()
    }
  }
}

function usualScope(): LeakScope {
  return process.getBuiltinModule('node:worker_threads').isMainThread ? 'process' : 'thread'
}

/**
 * Begins a search for leaks, which ends with its block: `using check = leakCheck()` throws there if something is left, and
 * `await using` waits for what is on its way. Declare it before what the test opens.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function leakCheck(options: LeakOptions = {}): LeakCheck {
  return new LeakCheck('leakCheck', checked('leakCheck', leakOptions, options))
}

/**
 * Runs `test`, and looks whether it has closed everything that it has opened. For a test that returns a promise, the result
 * is a promise, too. An error of the test is thrown as it is.
 *
 * @returns the result of the test
 * @throws PinfoldError `ERR_LEFT_OPEN` that lists what is left; `ERR_INVALID_ARGUMENT`
 */
export function expectNoLeaks<Result>(test: () => PromiseLike<Result>, options?: LeakOptions): Promise<Result>
export function expectNoLeaks<Result>(test: () => Result, options?: LeakOptions): Result
export function expectNoLeaks(test: () => unknown, options: LeakOptions = {}): unknown {
  checked('expectNoLeaks: test', testArgument, test)
  const check = new LeakCheck('expectNoLeaks', checked('expectNoLeaks', leakOptions, options))
  let isWaiting = false
  try {
    const result = test()
    if (isPromise(result)) {
      isWaiting = true
      return settled(check, result)
    }
    check.verify()
    return result
  } finally {
    if (!isWaiting) check.end()
  }
}

async function settled(check: LeakCheck, result: PromiseLike<unknown>) {
  try {
    const value = await result
    await check.verifyAsync()
    return value
  } finally {
    check.end()
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
