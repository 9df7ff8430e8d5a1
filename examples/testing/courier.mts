// The code under test: it writes a parcel into the memory of a peer, and says how that went.
import { type CompletionQueue, explainStatus, type QueuePair, type Registration, type RemoteMemory } from 'pinfold'

/** What a courier needs: one end of a connection. */
export interface Route {
  readonly queuePair: QueuePair
  readonly queue: CompletionQueue
  readonly memory: Registration
  readonly remote: RemoteMemory
}

export class Courier {
  readonly #route: Route
  readonly #patience: number

  /** @param patience how long a delivery may take, in ms: a completion that never comes must not hang the program */
  constructor(route: Route, patience = 5000) {
    this.#route = route
    this.#patience = patience
  }

  /** Delivers the first `length` bytes of the memory. */
  async deliver(length: number): Promise<void> {
    const { queuePair, queue, memory, remote } = this.#route
    queuePair.post({ operation: 'write', memory: memory.slice(0, length), remote: remote.slice(0, length) })
    const [completion] = await queue.wait({ signal: AbortSignal.timeout(this.#patience) })
    if (completion === undefined || completion.ok) return
    throw new Error(`not delivered: ${completion.status}, ${explainStatus(completion.status)}`)
  }
}
