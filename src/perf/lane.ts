import { sendFlags } from '../rdma/contract/operations.js'
import type { QueuePair } from '../rdma/queue-pair.js'
import type { RegistrationSlice } from '../rdma/registration-slice.js'
import type { RemoteSlice } from '../rdma/remote-memory.js'
import type { SendBatch } from '../rdma/send-batch.js'
import { headerBytes, type Layout } from './layout.js'
import { isAtomic, type Plan } from './plan.js'
import type { Session } from './session.js'

// The id of a request tells its lane, and whether it is a receive, so that one completion queue serves all lanes: bit 0 is
// set for receives, 7 bits are the lane, and the number of the message follows. It stays below 2^53.
const lanes = 128
const perMessage = 2 * lanes

/** The lane of the request with this id. */
export const laneOf = (id: number): number => Math.floor(id / 2) % lanes
export const isReceive = (id: number): boolean => id % 2 === 1

/** One queue pair of a measurement. Its messages are numbered from 0 on, through all sizes. */
export class Lane {
  readonly index: number
  readonly queuePair: QueuePair
  /** Messages that may be on the way. */
  readonly depth: number
  /** Receives that are posted. */
  readonly receiveDepth: number
  /** Messages that the peer has sent on its queue pair, as it told at the end of the last phase. */
  peerSent = 0
  readonly #batch: SendBatch
  readonly #session: Session
  readonly #plan: Plan
  readonly #layout: Layout
  /** Each has room for the largest message. */
  readonly #buffers: readonly RegistrationSlice[]
  #stage: (slot: number, id: number, flags: number) => void = () => {}
  #flags = 0
  #posted = 0
  #done = 0
  #received = 0
  #receives = 0
  #isLastSignaled = true

  constructor(session: Session, plan: Plan, layout: Layout, index: number) {
    const queuePair = session.lanes[index]
    if (queuePair === undefined) throw new Error(`no lane ${index}`)
    const { registration } = session
    const slots = Array.from({ length: layout.slots }, (_, slot) => slot)
    const largest = Math.max(...plan.sizes)
    const header = plan.type === 'UD' ? headerBytes : 0
    this.#session = session
    this.#plan = plan
    this.#layout = layout
    this.index = index
    this.queuePair = queuePair
    // With validation, each message that is on the way has a slot of its own. Atomics count in one.
    const most = plan.validate && !isAtomic(plan.operation) ? layout.slots : Number.POSITIVE_INFINITY
    this.depth = Math.min(plan.sendDepth, most)
    this.receiveDepth = Math.min(plan.receiveDepth, most)
    this.#batch = queuePair.sends
    this.#buffers = slots.map((slot) => registration.slice(layout.target(index, slot), largest + header))
    this.resize(largest)
  }

  /** The messages from now on have so many bytes. */
  resize(bytes: number): void {
    const [plan, layout] = [this.#plan, this.#layout]
    const { registration, remote, receivers } = this.#session
    const slots = this.#buffers.map((_, slot) => slot)
    const from = slots.map((slot) => registration.slice(layout.source(this.index, slot), bytes))
    const to = plan.type === 'UD' ? [] : slots.map((slot) => remote.slice(layout.target(this.index, slot), bytes))
    this.#flags = isCopied(plan, bytes) ? sendFlags.inline : 0
    this.#stage = stagerOf(this.#batch, plan, from, to, receivers[this.index])
  }

  /** Messages that were posted. */
  get posted(): number {
    return this.#posted
  }

  /** Messages that are known to be done. */
  get done(): number {
    return this.#done
  }

  get received(): number {
    return this.#received
  }

  /** Messages that can be posted now. */
  get room(): number {
    return this.depth - (this.#posted - this.#done)
  }

  /** Receives that were used up, and are not posted again yet. */
  get missingReceives(): number {
    return this.receiveDepth - (this.#receives - this.#received)
  }

  /** Whether the completion of the newest message is still to come, or has come. */
  get isLastSignaled(): boolean {
    return this.#isLastSignaled
  }

  /** The slot of a message, or of a receive. */
  slotOf(message: number): number {
    return message % this.#buffers.length
  }

  /** Adds the next message to the batch. */
  stage(isSignaled: boolean): void {
    const message = this.#posted
    const flags = isSignaled ? this.#flags | sendFlags.signaled : this.#flags
    this.#stage(this.slotOf(message), message * perMessage + this.index * 2, flags)
    this.#isLastSignaled = isSignaled
    this.#posted += 1
  }

  /** Hands the batch to the device. */
  post(): void {
    this.#batch.post()
  }

  /** Posts receives until there are as many as `receiveDepth`. */
  postReceives(): void {
    const missing = this.missingReceives
    const { receives } = this.queuePair
    for (let count = 0; count < missing; count++) {
      const buffer = this.#buffers[this.slotOf(this.#receives)]
      if (buffer === undefined) return
      receives.receive(buffer, this.#receives * perMessage + this.index * 2 + 1)
      this.#receives += 1
    }
    if (missing > 0) receives.post()
  }

  /** A request of this lane was successful. @returns the messages that are done, or received, by it */
  completed(id: number): number {
    if (isReceive(id)) {
      this.#received += 1
      return 1
    }
    const before = this.#done
    this.#done = Math.floor(id / perMessage) + 1
    return this.#done - before
  }
}

/** Whether the bytes of a message are copied into its request. */
function isCopied({ operation, inlineBytes }: Plan, bytes: number): boolean {
  return (operation === 'write' || operation === 'send') && bytes <= inlineBytes
}

/** All lanes of a session. */
export function lanesOf(session: Session, plan: Plan, layout: Layout): Lane[] {
  return session.lanes.map((_, index) => new Lane(session, plan, layout, index))
}

/** A function that adds a message to the batch. Requests that only exist as objects are made once, and used again. */
function stagerOf(
  batch: SendBatch,
  { operation, type }: Plan,
  from: readonly RegistrationSlice[],
  to: readonly RemoteSlice[],
  receiver: Session['receivers'][number] | undefined,
): (slot: number, id: number, flags: number) => void {
  const source = (slot: number) => from[slot] ?? failSlot(slot)
  const target = (slot: number) => to[slot] ?? failSlot(slot)
  if (operation === 'write') return (slot, id, flags) => void batch.write(source(slot), target(slot), id, flags)
  if (operation === 'read') return (slot, id, flags) => void batch.read(source(slot), target(slot), id, flags)
  if (operation === 'send' && type !== 'UD') return (slot, id, flags) => void batch.send(source(slot), id, flags)
  return (slot, id, flags) => {
    const memory = source(slot)
    const [signaled, inline] = [(flags & sendFlags.signaled) !== 0, (flags & sendFlags.inline) !== 0]
    if (operation === 'send') batch.add({ operation, memory, to: receiver, id, signaled, inline })
    else if (operation === 'fetchAndAdd') batch.add({ operation, memory, remote: target(slot), add: 1n, id, signaled })
    else {
      const message = BigInt(Math.floor(id / perMessage))
      batch.add({ operation, memory, remote: target(slot), compare: message, swap: message + 1n, id, signaled })
    }
  }
}

function failSlot(slot: number): never {
  throw new Error(`no slot ${slot}`)
}
