import { abortReason, onAbort, throwIfAborted } from '../abort.js'
import { FirstFew } from '../first-few.js'

/** The holder of a region, for listings and errors; a function if the text is seldom needed and expensive. */
export type HoldReason = string | (() => string)

interface OpenHold {
  readonly reason: HoldReason
  readonly stack: string | undefined
}

/** A hold that is not released, as a warning describes it. */
export interface Holder {
  /** The name of the region. */
  readonly name: string
  readonly reason: string
  /** The stack of the call that made the hold; undefined when this thread made too many holds at that time. */
  readonly stack: string | undefined
}

/**
 * Which holds: all of them, or only those that the region's registry does not end when it closes. The registry ends
 * those of its registrations, and of the rings, buffer pools, packets and heaps in its regions.
 */
export type WhichHolds = 'all' | 'of the program'

/** The holds on one region in one thread. Only `each` takes longer with more holds. */
export class RegionHolds {
  readonly #name: string
  // By the function that releases each, in the order in which they were made.
  readonly #ofProgram = new Map<() => void, OpenHold>()
  readonly #ofRegistry = new Map<() => void, OpenHold>()
  readonly #onRelease = new Set<() => void>()

  /** @param name of the region */
  constructor(name: string) {
    this.#name = name
  }

  /** Adds a hold. Returns the function that releases it. */
  add(reason: HoldReason, stack: string | undefined): () => void {
    const release = () => {
      if (!this.#ofProgram.delete(release) && !this.#ofRegistry.delete(release)) return
      for (const listener of [...this.#onRelease]) listener()
    }
    this.#ofProgram.set(release, { reason, stack })
    return release
  }

  /** Counts a hold among those that the region's registry ends when it closes. */
  entrust(release: () => void): void {
    const hold = this.#ofProgram.get(release)
    if (hold === undefined) return
    this.#ofRegistry.set(release, hold)
    this.#ofProgram.delete(release)
  }

  count(which: WhichHolds): number {
    return this.#ofProgram.size + (which === 'all' ? this.#ofRegistry.size : 0)
  }

  /** The reasons of the first few holds, and how many holds there are. The program's own come first. */
  reasons(which: WhichHolds): FirstFew {
    return new FirstFew(this.#reasonsOf(which), this.count(which))
  }

  *each(which: WhichHolds): Generator<Holder> {
    for (const hold of this.#list(which)) yield { name: this.#name, reason: textOf(hold), stack: hold.stack }
  }

  /**
   * Resolves when every such hold is released.
   *
   * @throws the signal's reason when it is aborted first
   */
  released(signal: AbortSignal | undefined, which: WhichHolds): Promise<void> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal)
      if (this.count(which) === 0) return resolve()
      const released = () => {
        if (this.count(which) > 0) return
        this.#onRelease.delete(released)
        resolve()
        stopListening()
      }
      const stopListening = onAbort(signal, () => {
        this.#onRelease.delete(released)
        reject(abortReason(signal))
      })
      this.#onRelease.add(released)
    })
  }

  *#list(which: WhichHolds): Generator<OpenHold> {
    yield* this.#ofProgram.values()
    if (which === 'all') yield* this.#ofRegistry.values()
  }

  *#reasonsOf(which: WhichHolds): Generator<string> {
    for (const hold of this.#list(which)) yield textOf(hold)
  }
}

function textOf({ reason }: OpenHold): string {
  return typeof reason === 'string' ? reason : reason()
}
