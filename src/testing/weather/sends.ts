import { eventTypes } from '../../rdma/contract/async-events.js'
import { completionStatuses } from '../../rdma/contract/completion-status.js'
import { loopbackVendorErrors as why } from '../../rdma/contract/loopback-vendor-errors.js'
import { requestOpcodes, sendFlags } from '../../rdma/contract/operations.js'
import { queuePairStates, queuePairTypes } from '../../rdma/contract/states.js'
import { sendWord } from '../../rdma/contract/work-layout.js'
import type { CompletionStore } from '../../rdma/loopback/completion-store.js'
import type { PostedSend, QueuePairEndpoint } from '../../rdma/loopback/records.js'
import { complete, peerOf } from '../../rdma/loopback/requester.js'
import { enterError, giveUp, holdSends, resume } from '../../rdma/loopback/send-queue.js'
import { type Dice, throwOf } from './dice.js'
import type { WeatherLog } from './log.js'
import { rangeOf, type TurnsRange, type WeatherOptions } from './plan.js'
import type { Turns } from './turns.js'

const opcodes = requestOpcodes.byName
const status = completionStatuses.byName
const { RC } = queuePairTypes.byName
const takesReceive = new Set<number>([
  opcodes.send,
  opcodes.sendWithImmediate,
  opcodes.sendWithInvalidate,
  opcodes.writeWithImmediate,
])

/** Requests that never leave their device. */
const local = new Set<number | undefined>([opcodes.bind, opcodes.invalidate])

function isLocal(send: PostedSend | undefined): boolean {
  return local.has(send?.words[sendWord.opcode])
}

/** The rest of the weather, as requests feel it. */
export interface Surroundings {
  /** Brings about what was planned for the moment before this request is carried out. */
  before(request: number): void
  readonly isPortDown: boolean
  readonly isRemoved: boolean
}

/** A request that was posted in bad weather. */
interface Fate {
  /** Its number among all requests of the device. */
  readonly request: number
  /** The number of its queue pair, and its number there: the dice answer by these. */
  readonly queuePair: number
  readonly nth: number
  /** Of the requests that are due, the lowest order goes first. */
  readonly order: number
  /** The turn in which its next transmission arrives. */
  due: number
  transmissions: number
  /** It has passed, and depends on the loopback alone. */
  isAdmitted: boolean
  isStalled: boolean
}

/** The queue pair's number, how many of its requests were posted, and the turn of the newest. */
interface Sender {
  readonly number: number
  posted: number
  lastDue: number
}

/** Decides when each posted request reaches its peer, and whether. */
export class StormySends {
  readonly #dice: Dice
  readonly #turns: Turns
  readonly #log: WeatherLog
  readonly #options: WeatherOptions
  readonly #delay: TurnsRange
  readonly #around: Surroundings
  readonly #fates = new WeakMap<PostedSend, Fate>()
  readonly #senders = new WeakMap<QueuePairEndpoint, Sender>()
  /** The queue pairs that have something due, by its turn. */
  readonly #arrivals = new Map<number, Set<QueuePairEndpoint>>()
  #senderCount = 0
  #posted = 0
  /** The request that may be carried out now. */
  #picked: Fate | undefined
  #isServing = false

  constructor(dice: Dice, turns: Turns, log: WeatherLog, options: WeatherOptions, around: Surroundings) {
    this.#dice = dice
    this.#turns = turns
    this.#log = log
    this.#options = options
    this.#delay = rangeOf(options.delay)
    this.#around = around
  }

  /** In place of `postSend` of the loopback, for a queue pair without a peer of another thread or process. */
  post(queuePair: QueuePairEndpoint, words: Uint32Array, stride: number, count: number): void {
    try {
      holdSends(queuePair, words, stride, count, (send) => this.#begin(queuePair, send))
    } finally {
      this.#serve([queuePair])
    }
  }

  /** The gate of the loopback's context (Gate). */
  gate(queuePair: QueuePairEndpoint, first: PostedSend): 'held' | 'done' | undefined {
    const fate = this.#fates.get(first)
    if (fate === undefined) return undefined // posted before the weather began
    const { isPortDown, isRemoved } = this.#around
    if (fate.isAdmitted && !isPortDown && !isRemoved) return undefined
    if (fate === this.#picked) {
      this.#picked = undefined
      return this.#decide(queuePair, fate)
    }
    fate.isAdmitted = false
    if (!this.#isServing && !fate.isStalled) this.#expect(queuePair, Math.max(fate.due, this.#turns.now + 1))
    return 'held'
  }

  /** Lets the requests of a queue pair that is about to be drained arrive now. Retries still take their time. */
  hurry(queuePair: QueuePairEndpoint): void {
    if (queuePair.remote !== undefined) return
    for (const send of queuePair.pending) {
      const fate = this.#fates.get(send)
      if (fate !== undefined) fate.due = Math.min(fate.due, this.#turns.now)
    }
    this.#serve([queuePair])
  }

  #begin(queuePair: QueuePairEndpoint, send: PostedSend): void {
    const sender = this.#senders.get(queuePair) ?? { number: this.#senderCount++, posted: 0, lastDue: 0 }
    this.#senders.set(queuePair, sender)
    const { least, most } = this.#delay
    const nth = sender.posted++
    const delay = isLocal(send) ? 0 : this.#dice.between(least, most, throwOf.delay, sender.number, nth)
    const due = Math.max(sender.lastDue, this.#turns.now + delay)
    sender.lastDue = due
    const request = this.#posted++
    const order = this.#options.reorder === true ? this.#dice.number(throwOf.order, sender.number, nth) : request
    const fate = { request, queuePair: sender.number, nth, order, due, transmissions: 0 }
    this.#fates.set(send, { ...fate, isAdmitted: false, isStalled: false })
    if (due > this.#turns.now) this.#expect(queuePair, due)
  }

  /** Looks at the queue pair in that turn, together with all others that have something due then. */
  #expect(queuePair: QueuePairEndpoint, due: number): void {
    const together = this.#arrivals.get(due)
    if (together !== undefined) {
      together.add(queuePair)
      return
    }
    const queuePairs = new Set([queuePair])
    this.#arrivals.set(due, queuePairs)
    this.#turns.after(due - this.#turns.now, () => {
      this.#arrivals.delete(due)
      this.#serve(queuePairs)
    })
  }

  /** Carries out what is due, one request at a time. */
  #serve(queuePairs: Iterable<QueuePairEndpoint>): void {
    const among = [...queuePairs]
    this.#isServing = true
    try {
      for (let next = this.#nextDue(among); next !== undefined; next = this.#nextDue(among)) {
        this.#picked = next.fate
        resume(next.queuePair)
      }
    } finally {
      this.#isServing = false
      this.#picked = undefined
    }
  }

  #nextDue(among: readonly QueuePairEndpoint[]) {
    let best: { readonly queuePair: QueuePairEndpoint; readonly fate: Fate } | undefined
    for (const queuePair of among) {
      const [first] = queuePair.pending
      const fate = first === undefined ? undefined : this.#fates.get(first)
      if (fate === undefined || queuePair.state !== queuePairStates.byName.RTS) continue
      // Meanwhile it has got a peer of another thread: it has no weather, and `resume` would pick none of its requests.
      if (queuePair.remote !== undefined) continue
      if (fate.isAdmitted || fate.isStalled || fate.due > this.#turns.now) continue
      if (best === undefined || fate.order < best.fate.order) best = { queuePair, fate }
    }
    return best
  }

  #decide(queuePair: QueuePairEndpoint, fate: Fate): 'held' | 'done' | undefined {
    const { error, stall, overrun, loss = 0, notReady = 0 } = this.#options
    const isReliable = queuePair.request.type === RC
    if (fate.transmissions === 0) this.#around.before(fate.request)
    if (this.#around.isRemoved || fate.request === stall?.after) return this.#stall(fate)
    if (fate.request === error?.after) return this.#fail(queuePair, fate, status[error.status])
    if (fate.request === overrun?.after && fate.transmissions === 0) this.#overrun(queuePair.sendCompletions, fate)
    if (isLocal(queuePair.pending[0])) return this.#admit(fate)
    const question = [fate.queuePair, fate.nth, fate.transmissions++] as const
    if (this.#around.isPortDown || this.#dice.fraction(throwOf.loss, ...question) < loss) {
      return isReliable ? this.#lose(queuePair, fate) : this.#drop(queuePair, fate)
    }
    const { opcode } = queuePair.context.scratch.send
    if (isReliable && takesReceive.has(opcode) && this.#dice.fraction(throwOf.notReady, ...question) < notReady) {
      return this.#refuse(queuePair, fate)
    }
    return this.#admit(fate)
  }

  #admit(fate: Fate): undefined {
    this.#note(fate, 'carried out')
    fate.isAdmitted = true
  }

  #stall(fate: Fate): 'held' {
    fate.isStalled = true
    this.#note(fate, 'stalled')
    return 'held'
  }

  /** A transmission of a reliable connection is lost. */
  #lose(queuePair: QueuePairEndpoint, fate: Fate): 'held' | 'done' {
    this.#note(fate, 'lost')
    // 0 waits for an answer without a limit (IBTA 9.9.2.1.1).
    if (queuePair.attributes.timeout === 0) return this.#stall(fate)
    if (queuePair.retriesLeft <= 0) return this.#fail(queuePair, fate, status.RETRY_EXC_ERR)
    queuePair.retriesLeft -= 1
    return this.#again(queuePair, fate)
  }

  #refuse(queuePair: QueuePairEndpoint, fate: Fate): 'held' | 'done' {
    this.#note(fate, 'not ready')
    if (queuePair.rnrLeft === 0) return this.#fail(queuePair, fate, status.RNR_RETRY_EXC_ERR)
    if (queuePair.rnrLeft < 7) queuePair.rnrLeft -= 1
    return this.#again(queuePair, fate)
  }

  #again(queuePair: QueuePairEndpoint, fate: Fate): 'held' {
    fate.due = this.#turns.now + 1
    this.#expect(queuePair, fate.due)
    return 'held'
  }

  /** The packet of an unreliable queue pair is lost, which its sender does not notice. */
  #drop(queuePair: QueuePairEndpoint, fate: Fate): 'done' {
    this.#note(fate, 'lost')
    queuePair.pending.shift()
    const { idLow, idHigh, opcode, flags, local } = queuePair.context.scratch.send
    if (queuePair.request.signalAll || (flags & sendFlags.signaled) !== 0) {
      complete(queuePair, idLow, idHigh, status.SUCCESS, 0, opcode, local.total)
    }
    return 'done'
  }

  /** Ends the request by an error. A peer that has found the fault is in its error state, too, and reports an event. */
  #fail(queuePair: QueuePairEndpoint, fate: Fate, ended: number): 'done' {
    this.#note(fate, 'failed')
    const peer = queuePair.request.type === RC ? peerOf(queuePair) : undefined
    giveUp(queuePair, ended, why.weather)
    const { QP_ACCESS_ERR, QP_REQ_ERR } = eventTypes.byName
    const told = ended === status.REM_ACCESS_ERR ? QP_ACCESS_ERR : QP_REQ_ERR
    const isOfPeer = ended === status.REM_ACCESS_ERR || ended === status.REM_INV_REQ_ERR
    if (peer === undefined || (!isOfPeer && ended !== status.REM_OP_ERR)) return 'done'
    if (isOfPeer) peer.context.tell(told, peer.handle)
    enterError(peer)
    return 'done'
  }

  /** A queue without room loses one completion; that it could have room again later does not bring it back. */
  #overrun(store: CompletionStore, fate: Fate): void {
    this.#note(fate, 'overrun')
    store.resize(store.count)
    store.push(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, false)
  }

  #note({ request, queuePair }: Fate, event: Parameters<WeatherLog['add']>[1]): void {
    this.#log.add(this.#turns.now, event, request, queuePair)
  }
}
