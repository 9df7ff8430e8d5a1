import { Arrivals } from './arrivals.js'
import { clock } from './clock.js'
import type { Control } from './control.js'
import { isReceive, type Lane, laneOf } from './lane.js'
import { type Layout, layoutOf } from './layout.js'
import { Meter } from './meter.js'
import { Comparison, writePattern } from './pattern.js'
import { type Limit, Phase, type Stopper } from './phase.js'
import type { Plan } from './plan.js'
import type { Flow, Interval, Validation } from './report.js'
import type { Session } from './session.js'

/** Milliseconds after which datagrams that have not arrived are taken for lost. */
const lossAfter = 500
/** The most messages of one turn of the loop, so that completions are looked for in between. */
const mostAtOnce = 64

/** What one side of a measurement has seen. */
export interface Seen {
  /** What this side has sent; undefined if it only received. */
  readonly flow: Flow | undefined
  /** What this side has compared; undefined if nothing. */
  readonly validated: Validation | undefined
}

/** Messages of one size in one or both directions, as fast as the device takes them, or at a given rate. */
export class Traffic {
  readonly #session: Session
  readonly #plan: Plan
  readonly #bytes: number
  readonly #layout: Layout
  readonly #lanes: readonly Lane[]
  readonly #isSender: boolean
  readonly #isReceiver: boolean
  /** What the peer had sent on each lane before this size. */
  readonly #before: readonly number[]
  #comparison = new Comparison()

  constructor(session: Session, plan: Plan, lanes: readonly Lane[], bytes: number, side: 'server' | 'client') {
    this.#session = session
    this.#plan = plan
    this.#bytes = bytes
    this.#layout = layoutOf(plan)
    this.#lanes = lanes
    for (const lane of lanes) lane.resize(bytes)
    this.#before = lanes.map(({ peerSent }) => peerSent)
    this.#isSender = side === 'client' || plan.bothDirections
    this.#isReceiver = plan.operation === 'send' && (side === 'server' || plan.bothDirections)
    this.#prepareMemory()
  }

  /** @throws the signal's reason; PinfoldError of the peer, and `ERR_REQUEST_FAILED` */
  async run(
    control: Control,
    limit: Limit,
    { stopper, signal, tell }: { stopper: Stopper; signal: AbortSignal; tell: (interval: Interval) => void },
  ): Promise<Seen> {
    if (this.#isReceiver) for (const lane of this.#lanes) lane.postReceives()
    const phase = await Phase.begin(control, limit, stopper, signal)
    const arrivals = new Arrivals(this.#session.queue, this.#plan.events, phase.signal)
    arrivals.wakeOn(phase.wake)
    this.#comparison = new Comparison()
    const meter = new Meter(this.#bytes, this.#plan.interval, tell)
    const run = new Run(this.#lanes, this.#plan, limit, meter.start, (lane, first, count) =>
      this.#fill(lane, first, count),
    )
    try {
      let flow: Flow | undefined
      if (this.#isSender) {
        await this.#send(phase, arrivals, meter, run)
        flow = meter.end(run.done, clock())
      }
      phase.tell(this.#lanes.map(({ posted }) => posted))
      if (this.#isReceiver) await this.#receive(phase, arrivals)
      const theirs = await phase.whenTold()
      for (const lane of this.#lanes) lane.peerSent = theirs[lane.index] ?? 0
      if (this.#plan.validate) this.#compareAtEnd(theirs)
      return { flow, validated: this.#plan.validate ? this.#comparison.result : undefined }
    } finally {
      arrivals.close()
    }
  }

  async #send(phase: Phase, arrivals: Arrivals, meter: Meter, run: Run): Promise<void> {
    for (;;) {
      const time = clock()
      meter.advance(run.done, time)
      if (run.advance(time, phase.isOver(time))) return
      let found = this.#take(arrivals, arrivals.poll())
      const isIdle = found === 0
      if (arrivals.needsRest(isIdle)) {
        // A paced sender must not sleep beyond its next message.
        found = await arrivals.rest(isIdle, !run.isPaced)
        this.#take(arrivals, found)
      }
    }
  }

  /** Receives until all that the peer has sent has come. */
  async #receive(phase: Phase, arrivals: Arrivals): Promise<void> {
    let latest = clock()
    for (;;) {
      let found = this.#take(arrivals, arrivals.poll())
      const { theirs } = phase
      if (theirs?.every((sent, lane) => (this.#lanes[lane]?.received ?? 0) >= sent)) return
      const isIdle = found === 0
      if (!isIdle) latest = clock()
      else if (theirs !== undefined && this.#plan.type !== 'RC' && clock() - latest > lossAfter) return
      if (!arrivals.needsRest(isIdle)) continue
      // The last datagrams may be lost, so there may be nothing to wait for.
      found = await arrivals.rest(isIdle, theirs === undefined || this.#plan.type === 'RC')
      if (this.#take(arrivals, found) > 0) latest = clock()
    }
  }

  /** Looks at the completions of a poll. */
  #take(arrivals: Arrivals, found: number): number {
    const { completions } = arrivals
    for (let index = 0; index < found; index++) {
      arrivals.requireSuccess(index)
      const id = completions.id(index)
      const lane = this.#lanes[laneOf(id)]
      if (lane === undefined) continue
      if (!isReceive(id)) {
        const before = lane.done
        lane.completed(id)
        if (this.#plan.validate && this.#plan.operation === 'read') this.#compareReads(lane, before)
        continue
      }
      if (this.#plan.validate)
        this.#compare(this.#layout.target(lane.index, lane.slotOf(lane.received)), lane, lane.received)
      lane.completed(id)
      // Not for each message: receives are posted in bursts, too.
      if (lane.missingReceives * 4 >= lane.receiveDepth) lane.postReceives()
    }
    return found
  }

  /** The bytes of messages that are posted next. */
  #fill(lane: Lane, first: number, count: number): void {
    const { validate, operation } = this.#plan
    if (!validate || (operation !== 'write' && operation !== 'send')) return
    const { bytes } = this.#session.region
    for (let message = first; message < first + count; message++) {
      writePattern(bytes, this.#layout.source(lane.index, lane.slotOf(message)), this.#bytes, lane.index, message)
    }
  }

  /** What the peer reads has a pattern by slot; what it counts begins at 0. */
  #prepareMemory(): void {
    const { bytes } = this.#session.region
    const { validate, operation } = this.#plan
    if (!validate) return
    for (const { index } of this.#lanes) {
      for (let slot = 0; slot < this.#layout.slots; slot++) {
        const at = this.#layout.target(index, slot)
        if (operation === 'read') writePattern(bytes, at, this.#bytes, index, slot)
        else bytes.fill(0, at, at + this.#bytes)
      }
    }
  }

  #compare(at: number, lane: Lane, message: number): void {
    this.#comparison.message(this.#session.region.bytes, at, this.#bytes, lane.index, message)
  }

  /** The reads from `first` on that are done. Their bytes are cleared, so that a later read must bring them again. */
  #compareReads(lane: Lane, first: number): void {
    const { bytes } = this.#session.region
    for (let message = first; message < lane.done; message++) {
      const slot = lane.slotOf(message)
      const at = this.#layout.source(lane.index, slot)
      this.#compare(at, lane, slot)
      bytes.fill(0, at, at + this.#bytes)
    }
  }

  /** The newest writes of the peer of this size, which are still there, and the counters of its atomics. */
  #compareAtEnd(theirs: readonly number[]): void {
    const { operation } = this.#plan
    for (const [index, sent] of theirs.entries()) {
      const lane = this.#lanes[index]
      if (lane === undefined || sent === 0) continue
      if (operation === 'write') {
        const first = Math.max(this.#before[index] ?? 0, sent - this.#layout.slots)
        for (let message = first; message < sent; message++) {
          this.#compare(this.#layout.target(index, lane.slotOf(message)), lane, message)
        }
      } else if (operation === 'fetchAndAdd' || operation === 'compareAndSwap') {
        this.#comparison.counter(this.#counted(index), BigInt(sent), index)
      }
    }
  }

  /** Atomics of all slots of a lane, added. */
  #counted(lane: number): bigint {
    const { bytes } = this.#session.region
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let sum = 0n
    for (let slot = 0; slot < this.#layout.slots; slot++) {
      sum += view.getBigUint64(this.#layout.target(lane, slot), true)
    }
    return sum
  }
}

/** Posts the messages of a sender: in turn on each lane, as many as there is room for, or as the rate allows. */
class Run {
  readonly isPaced: boolean
  readonly #lanes: readonly Lane[]
  readonly #plan: Plan
  /** The messages of each lane when the run is over; infinite with a duration. */
  readonly #goals: readonly number[]
  readonly #start: number
  readonly #before: number
  readonly #fill: (lane: Lane, first: number, count: number) => void
  #isEnding = false

  constructor(
    lanes: readonly Lane[],
    plan: Plan,
    { messages }: Limit,
    start: number,
    fill: (lane: Lane, first: number, count: number) => void,
  ) {
    this.isPaced = plan.rate !== null
    this.#lanes = lanes
    this.#plan = plan
    this.#goals = lanes.map(({ posted }) => posted + (messages ?? Number.POSITIVE_INFINITY))
    this.#start = start
    this.#before = lanes.reduce((sum, { done }) => sum + done, 0)
    this.#fill = fill
  }

  /** Messages of this run that are done. */
  get done(): number {
    return this.#lanes.reduce((sum, { done }) => sum + done, -this.#before)
  }

  /** Posts what can be posted. @returns whether all is done */
  advance(time: number, isOver: boolean): boolean {
    if (isOver && !this.#isEnding) this.#end()
    if (!this.#isEnding) {
      let allowed = this.#allowed(time)
      for (const lane of this.#lanes) allowed -= this.#advanceLane(lane, allowed)
    }
    return this.#lanes.every((lane, index) => {
      const isAll = this.#isEnding || lane.posted >= (this.#goals[index] ?? 0)
      return isAll && lane.done === lane.posted
    })
  }

  /** Messages that the rate allows at this time. */
  #allowed(time: number): number {
    const { rate } = this.#plan
    if (rate === null) return Number.POSITIVE_INFINITY
    const posted = this.#lanes.reduce((sum, lane) => sum + lane.posted, -this.#before)
    return Math.floor(((time - this.#start) / 1000) * rate) + 1 - posted
  }

  /** @returns the number of messages that were posted */
  #advanceLane(lane: Lane, allowed: number): number {
    const { postList } = this.#plan
    const goal = this.#goals[lane.index] ?? 0
    let posted = 0
    while (posted < mostAtOnce || posted < postList) {
      const left = goal - lane.posted
      const wanted = Math.min(postList, left, lane.depth)
      // Whole lists: the completions of the list before may come together, too.
      if (wanted < 1 || lane.room < wanted || allowed - posted < (this.isPaced ? 1 : wanted)) break
      const count = this.isPaced ? Math.min(wanted, allowed - posted) : wanted
      this.#post(lane, count, left)
      posted += count
    }
    return posted
  }

  #post(lane: Lane, count: number, left: number): void {
    const { signalEvery } = this.#plan
    this.#fill(lane, lane.posted, count)
    for (let index = 0; index < count; index++) {
      // The queue must not be full of messages without a completion. At a given rate, what is done is known at once:
      // intervals then count it in time, and no message beyond the rate has to end the run.
      const isEnd = index === count - 1 && (lane.room <= 1 || this.isPaced)
      const isLast = index === left - 1 || isEnd
      lane.stage(isLast || (lane.posted + 1) % signalEvery === 0)
    }
    lane.post()
  }

  /** The run ends before all is posted. The newest message tells when those before it are done. */
  #end(): void {
    this.#isEnding = true
    for (const lane of this.#lanes) {
      if (lane.isLastSignaled) continue
      this.#fill(lane, lane.posted, 1)
      lane.stage(true)
      lane.post()
    }
  }
}
