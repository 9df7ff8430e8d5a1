import { PinfoldError } from '../errors.js'
import { Arrivals } from './arrivals.js'
import { clock } from './clock.js'
import type { Control } from './control.js'
import { Histogram } from './histogram.js'
import type { Lane } from './lane.js'
import { type Layout, layoutOf } from './layout.js'
import { ProcessorMeter } from './meter.js'
import { Comparison, writePattern } from './pattern.js'
import { type Limit, Phase, type Stopper } from './phase.js'
import type { Plan } from './plan.js'
import type { ProcessorTime, Validation } from './report.js'
import type { Session } from './session.js'

/** Milliseconds without an answer after which a message of an unreliable transport is taken for lost. */
const lossAfter = 5000

/** What one side has seen of a latency. */
export interface Timed {
  /** Empty on the side that answers. */
  readonly latency: Histogram
  /** With a rate: from the moment at which the message should have been sent. */
  readonly late: Histogram | undefined
  readonly seconds: number
  readonly processor: ProcessorTime
  readonly validated: Validation | undefined
}

/**
 * One message at a time. A write or a send goes there and back, and half of the round trip counts. A read or an atomic
 * counts until its completion, and the peer does nothing. A write is noticed by its last byte, as perftest does: on a
 * reliable connection, the bytes of a write arrive in order.
 */
export class PingPong {
  readonly #session: Session
  readonly #plan: Plan
  readonly #bytes: number
  readonly #layout: Layout
  readonly #lane: Lane
  readonly #isClient: boolean
  readonly #isEcho: boolean
  #comparison = new Comparison()
  /** Round trips, or operations, that have ended, of all phases and sizes. */
  #rounds: number

  constructor(session: Session, plan: Plan, lane: Lane, bytes: number, side: 'server' | 'client') {
    this.#session = session
    this.#plan = plan
    this.#bytes = bytes
    this.#layout = layoutOf(plan)
    this.#lane = lane
    this.#rounds = lane.posted
    lane.resize(bytes)
    this.#isClient = side === 'client'
    this.#isEcho = plan.operation === 'write' || plan.operation === 'send'
    const { bytes: memory } = session.region
    memory.fill(0, this.#layout.target(0, 0), this.#layout.target(0, 0) + this.#layout.stride * this.#layout.slots)
  }

  /** @throws the signal's reason; PinfoldError of the peer, and `ERR_REQUEST_FAILED` */
  async run(
    control: Control,
    limit: Limit,
    { stopper, signal }: { stopper: Stopper; signal: AbortSignal },
  ): Promise<Timed> {
    if (this.#plan.operation === 'send') this.#lane.postReceives()
    const phase = await Phase.begin(control, limit, stopper, signal)
    const arrivals = new Arrivals(this.#session.queue, this.#plan.events, phase.signal)
    arrivals.wakeOn(phase.wake)
    this.#comparison = new Comparison()
    const processor = new ProcessorMeter()
    const latency = new Histogram()
    const late = this.#plan.rate === null ? undefined : new Histogram()
    const start = clock()
    try {
      if (this.#isClient) await this.#ask({ phase, arrivals, limit, latency, late, start })
      const seconds = (clock() - start) / 1000
      phase.tell([this.#isClient ? this.#rounds : 0])
      if (!this.#isClient && this.#isEcho) await this.#answer(phase, arrivals)
      await phase.whenTold()
      const validated = this.#plan.validate ? this.#comparison.result : undefined
      return { latency, late, seconds, processor: processor.used, validated }
    } finally {
      arrivals.close()
    }
  }

  async #ask({ phase, arrivals, limit, latency, late, start }: Asking): Promise<void> {
    const { rate } = this.#plan
    const share = this.#isEcho ? 0.5 : 1
    const first = this.#rounds
    const goal = first + (limit.messages ?? Number.POSITIVE_INFINITY)
    let intended = start
    while (this.#rounds < goal) {
      if (rate !== null) {
        intended = start + ((this.#rounds - first) / rate) * 1000
        while (clock() < intended && !phase.isOver(clock())) await arrivals.rest(false, false)
      }
      const sent = clock()
      if (phase.isOver(sent)) return
      this.#send()
      while (!this.#isBack(arrivals)) await this.#pause(phase, arrivals, sent)
      const back = clock()
      this.#rounds += 1
      latency.record(nanoseconds((back - sent) * share))
      // The time of waiting for its turn is whole; that of the way is the same as above.
      late?.record(nanoseconds(sent - intended + (back - sent) * share))
      await this.#complete(arrivals)
      // Others must have their turn, also when each message is back at once.
      if (arrivals.needsRest(false)) await arrivals.rest(false, false)
    }
  }

  async #answer(phase: Phase, arrivals: Arrivals): Promise<void> {
    for (;;) {
      const since = clock()
      while (!this.#isBack(arrivals)) {
        if (phase.theirs !== undefined && this.#rounds >= (phase.theirs[0] ?? 0)) return
        await this.#pause(phase, arrivals, phase.theirs === undefined ? Number.POSITIVE_INFINITY : since)
      }
      this.#rounds += 1
      this.#send()
      await this.#complete(arrivals)
    }
  }

  /** Sends the next message, and before that posts the receive of its answer. */
  #send(): void {
    const { operation, validate } = this.#plan
    const lane = this.#lane
    if (operation === 'send' && lane.missingReceives > 0) lane.postReceives()
    const { bytes } = this.#session.region
    const at = this.#layout.source(0, lane.slotOf(lane.posted))
    if (validate && this.#isEcho) writePattern(bytes, at, this.#bytes, 0, lane.posted)
    if (operation === 'write') bytes[at + this.#bytes - 1] = markOf(lane.posted)
    lane.stage(true)
    lane.post()
  }

  /** Whether the message of this round is there: that of the peer, or the completion of ours. */
  #isBack(arrivals: Arrivals): boolean {
    const { operation, validate } = this.#plan
    const lane = this.#lane
    const round = this.#rounds
    if (operation === 'write') {
      const { bytes } = this.#session.region
      const at = this.#layout.target(0, lane.slotOf(round))
      // Atomics.load: a plain load may be moved out of the loop.
      if (Atomics.load(bytes, at + this.#bytes - 1) !== markOf(round)) {
        arrivals.throwIfAborted()
        return false
      }
      if (validate && this.#bytes > 1) this.#compare(at, this.#bytes - 1, round)
      return true
    }
    this.#take(arrivals, arrivals.poll())
    if (operation !== 'send') return lane.done > round
    if (lane.received <= round) return false
    if (validate) this.#compare(this.#layout.target(0, lane.slotOf(round)), this.#bytes, round)
    return true
  }

  /** Waits for the completion of our newest message. It frees the room of the message. */
  async #complete(arrivals: Arrivals): Promise<void> {
    while (this.#lane.done < this.#lane.posted) {
      this.#take(arrivals, arrivals.poll())
      if (this.#lane.done >= this.#lane.posted) return
      if (arrivals.needsRest(true)) this.#take(arrivals, await arrivals.rest(true, true))
    }
  }

  async #pause(phase: Phase, arrivals: Arrivals, since: number): Promise<void> {
    if (!arrivals.needsRest(true)) return
    const isCompletion = this.#plan.operation !== 'write'
    this.#take(arrivals, await arrivals.rest(true, isCompletion))
    if (this.#plan.type !== 'RC' && clock() - since > lossAfter) throw lost(this.#rounds, phase)
  }

  #take(arrivals: Arrivals, found: number): void {
    for (let index = 0; index < found; index++) {
      arrivals.requireSuccess(index)
      this.#lane.completed(arrivals.completions.id(index))
    }
  }

  #compare(at: number, length: number, message: number): void {
    this.#comparison.message(this.#session.region.bytes, at, length, 0, message)
  }
}

interface Asking {
  readonly phase: Phase
  readonly arrivals: Arrivals
  readonly limit: Limit
  readonly latency: Histogram
  readonly late: Histogram | undefined
  readonly start: number
}

/** The last byte of a message. It differs from those of the messages before, and from cleared memory. */
function markOf(message: number): number {
  return (message % 255) + 1
}

function nanoseconds(milliseconds: number): number {
  return Math.max(1, Math.round(milliseconds * 1e6))
}

function lost(round: number, { theirs }: Phase): PinfoldError {
  const side = theirs === undefined ? 'the answer to' : 'what belongs to'
  return new PinfoldError(`perf: ${side} message ${round} has not come after ${lossAfter / 1000} s; it may be lost`, {
    code: 'ERR_REQUEST_STALLED',
    values: { round },
    hint: 'this transport may lose messages; use --connection RC',
  })
}
