import * as z from 'zod/mini'
import { later, list, optionsObject } from '../options.js'
import { whole } from '../rdma/contract/number-options.js'
import { clock } from './clock.js'
import type { Control } from './control.js'

const readySchema = later(() => optionsObject({ ready: z.literal(true) }))
const sentSchema = later(() =>
  optionsObject({ sent: list(whole(0, Number.MAX_SAFE_INTEGER), { most: 128, expected: 'expected counts' }) }),
)

/** How much of a phase is left to do, and who ends it early. */
export interface Limit {
  /** Messages of each queue pair; null for no limit. */
  readonly messages: number | null
  readonly seconds: number | null
}

/** A user who ends a measurement early: what was measured until then counts. */
export interface Stopper {
  isStopped: boolean
  /** Whether there is a measurement that can be ended. */
  isMeasuring: boolean
}

/**
 * A part of a measurement, which both sides begin together: the warm-up, or what counts. Each side tells the other what it
 * has sent when it ends.
 */
export class Phase {
  /** Aborted when the peer is gone, or the user gives up. */
  readonly signal: AbortSignal
  /** Resolves when the peer has sent all. */
  readonly wake: Promise<unknown>
  readonly #control: Control
  readonly #stopper: Stopper
  readonly #ends: number
  #theirs: readonly number[] | undefined

  private constructor(control: Control, { seconds }: Limit, stopper: Stopper, signal: AbortSignal) {
    this.#control = control
    this.#stopper = stopper
    this.#ends = seconds === null ? Number.POSITIVE_INFINITY : clock() + seconds * 1000
    const gone = new AbortController()
    this.signal = AbortSignal.any([signal, gone.signal])
    this.wake = control.receive(sentSchema, signal).then(
      ({ sent }) => {
        this.#theirs = sent
      },
      (error) => gone.abort(error),
    )
  }

  /** Begins when both sides are ready. @throws as `control.receive` */
  static async begin(control: Control, limit: Limit, stopper: Stopper, signal: AbortSignal): Promise<Phase> {
    control.send({ ready: true })
    await control.receive(readySchema, signal)
    return new Phase(control, limit, stopper, signal)
  }

  /** Whether the user, or the duration, ends it. */
  isOver(time: number): boolean {
    return this.#stopper.isStopped || time >= this.#ends
  }

  /** What the peer has sent on each queue pair, when it has sent all; undefined before. */
  get theirs(): readonly number[] | undefined {
    return this.#theirs
  }

  /** Tells the peer what we have sent, on each queue pair. */
  tell(sent: readonly number[]): void {
    this.#control.send({ sent })
  }

  /** Waits until the peer has sent all. @throws the reason why it never will */
  async whenTold(): Promise<readonly number[]> {
    await this.wake
    this.signal.throwIfAborted()
    return this.#theirs ?? []
  }
}
