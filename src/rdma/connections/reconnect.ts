import * as z from 'zod/mini'
import { abortReason, onAbort, throwIfAborted } from '../../abort.js'
import { max, min, now, random } from '../../builtins.js'
import { PinfoldError } from '../../errors.js'
import { checked, later, optionsOf, signalOption } from '../../options.js'
import { type CompletionStatus, completionStatuses } from '../contract/completion-status.js'
import { positiveCount, whole } from '../contract/number-options.js'

/** Errors of the program: the same request fails again on a new connection. */
const mistakes = new Set<string>([
  'LOC_LEN_ERR',
  'LOC_PROT_ERR',
  'LOC_ACCESS_ERR',
  'REM_INV_REQ_ERR',
  'REM_ACCESS_ERR',
  'REM_OP_ERR',
])
/** Errors of the link or of the peer: a new connection may work. */
const linkErrors = new Set<string>(['RETRY_EXC_ERR', 'RNR_RETRY_EXC_ERR', 'WR_FLUSH_ERR'])
/** Errors of `connect()` after which another attempt may succeed. */
const passingCodes = new Set<string>([
  'ERR_CONNECTION_REFUSED',
  'ERR_CONNECTION_TIMEOUT',
  'ERR_CONNECTION_CLOSED',
  'ERR_ADDRESS_UNREACHABLE',
])

const policyOptions = later(() =>
  optionsOf<ReconnectOptions>()({
    firstDelay: z.optional(positiveCount),
    longestDelay: z.optional(positiveCount),
    attempts: z.optional(positiveCount),
    breakAfter: z.optional(positiveCount),
    breakFor: z.optional(whole(1, 2 ** 31 - 1)),
  }),
)
const statusArgument = later(() =>
  z.enum(completionStatuses.all, { error: 'expected the status of a completion, such as RETRY_EXC_ERR' }),
)
const attemptArgument = later(() =>
  z.custom<(attempt: number) => unknown>((value) => typeof value === 'function', { error: 'expected a function' }),
)
const runOptions = later(() => optionsOf<{ signal?: AbortSignal | undefined }>()({ signal: z.optional(signalOption) }))

/** Options of a {@link ReconnectPolicy}. Times are in ms. */
export interface ReconnectOptions {
  /** The longest wait before the second attempt. Each further wait may be twice as long. Default: 50. */
  readonly firstDelay?: number | undefined
  /** No wait is longer. Default: 5000. */
  readonly longestDelay?: number | undefined
  /** Attempts of one `run()`. Default: 10. */
  readonly attempts?: number | undefined
  /** After so many failures in a row, of all runs, the circuit is open: `run()` fails at once. Default: 20. */
  readonly breakAfter?: number | undefined
  /** For how long it is open. Then one attempt is let through. Default: 30,000. */
  readonly breakFor?: number | undefined
}

/** Counts of a {@link ReconnectPolicy}. */
export interface ReconnectStats {
  readonly attempts: number
  readonly successes: number
  readonly failures: number
  /** Runs that failed at once because the circuit was open. */
  readonly refusedByBreaker: number
  /** Statuses that were given to `mayReconnect`, by name. */
  readonly statuses: Readonly<Record<string, number>>
}

/**
 * When and how often to connect again. It knows no connection: the program says after which status it wants to, and what an
 * attempt is.
 */
export class ReconnectPolicy {
  readonly #given
  #attempts = 0
  #successes = 0
  #refused = 0
  #inARow = 0
  #openUntil = 0
  /** Whether the one attempt is under way that an open circuit lets through. */
  #isProbed = false
  readonly #statuses = new Map<string, number>()

  /** Made by `createReconnectPolicy()`. */
  constructor(options: ReconnectOptions) {
    const { firstDelay = 50, longestDelay = 5000, attempts = 10, breakAfter = 20, breakFor = 30_000 } = options
    this.#given = { firstDelay, longestDelay, attempts, breakAfter, breakFor }
  }

  get stats(): ReconnectStats {
    return {
      attempts: this.#attempts,
      successes: this.#successes,
      failures: this.#attempts - this.#successes,
      refusedByBreaker: this.#refused,
      statuses: Object.fromEntries(this.#statuses),
    }
  }

  /** Whether attempts are refused at present. */
  get isOpen(): boolean {
    return this.#isProbed || now() < this.#openUntil
  }

  /**
   * Whether a new connection helps after a completion with this status. Never after an error of the program (LOC_LEN_ERR,
   * LOC_PROT_ERR, LOC_ACCESS_ERR, REM_INV_REQ_ERR, REM_ACCESS_ERR, REM_OP_ERR): it would come again.
   *
   * @throws PinfoldError `ERR_INVALID_ARGUMENT`
   */
  mayReconnect(status: CompletionStatus): boolean {
    const name = checked('mayReconnect', statusArgument, status)
    this.#statuses.set(name, (this.#statuses.get(name) ?? 0) + 1)
    return linkErrors.has(name) && !mistakes.has(name)
  }

  /**
   * Calls `attempt` until it succeeds, with exponential waits and full jitter between. An error that no other attempt
   * repairs, such as `ERR_INVALID_ARGUMENT`, is thrown at once.
   *
   * @throws the last error of `attempt`; the signal's reason; PinfoldError `ERR_CONNECTION_CLOSED` when the circuit is open
   */
  async run<Result>(
    attempt: (attempt: number) => Promise<Result>,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Result> {
    checked('run', attemptArgument, attempt)
    const { signal } = checked('run', runOptions, options)
    const { attempts, firstDelay, longestDelay } = this.#given
    for (let tried = 1; ; tried++) {
      throwIfAborted(signal)
      const isProbe = this.#enter()
      this.#attempts += 1
      try {
        const result = await attempt(tried)
        this.#succeeded()
        return result
      } catch (error) {
        this.#failed()
        if (tried >= attempts || !mayPass(error)) throw error
      } finally {
        if (isProbe) this.#isProbed = false
      }
      await sleep(random() * min(longestDelay, firstDelay * 2 ** min(30, tried - 1)), signal)
    }
  }

  /** @returns whether the attempt is the one that decides if the circuit stays open @throws if it is refused */
  #enter(): boolean {
    if (!this.isOpen) {
      this.#isProbed = this.#openUntil > 0
      return this.#isProbed
    }
    this.#refused += 1
    const wait = max(0, Math.ceil(this.#openUntil - now()))
    const next = this.#isProbed ? 'another one is under way' : `the next is allowed in ${wait} ms`
    throw new PinfoldError(`run: ${this.#inARow} attempts in a row have failed; ${next}`, {
      code: 'ERR_CONNECTION_CLOSED',
      values: { failures: this.#inARow, wait },
    })
  }

  #succeeded(): void {
    this.#successes += 1
    this.#inARow = 0
    this.#openUntil = 0
  }

  #failed(): void {
    this.#inARow += 1
    if (this.#inARow >= this.#given.breakAfter) this.#openUntil = now() + this.#given.breakFor
  }
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function createReconnectPolicy(options: ReconnectOptions = {}): ReconnectPolicy {
  return new ReconnectPolicy(checked('createReconnectPolicy', policyOptions, options))
}

/** A name that does not exist will not exist at the next attempt. */
function mayPass(error: unknown): boolean {
  return error instanceof PinfoldError && passingCodes.has(error.code) && error.values.lookup !== 'ENOTFOUND'
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      deafen()
      resolve()
    }, milliseconds)
    const deafen = onAbort(signal, () => {
      clearTimeout(timer)
      reject(abortReason(signal))
    })
  })
}
