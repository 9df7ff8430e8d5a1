import { inspect } from 'node:util'
import { PinfoldError } from '../errors.js'
import type { RegionMemory } from '../memory/region-memory.js'
import { Participant } from '../threads/participants.js'
import { published } from '../threads/publication.js'
import { RingWays } from './fast-paths.js'
import { noViews, type RingShape, type RingViews, SideWord, viewsOf } from './layout.js'
import type { RingSpan } from './side.js'

/**
 * A queue of 32-bit values in the memory of a region, of fixed size; any thread that has the region attaches its own Ring
 * to it. Nothing that it does for a value allocates or crosses into native code.
 *
 * A thread may die at any moment, also within a call: the values that it was enqueueing are not in the ring then, those that
 * it was dequeueing still are, and the others go on.
 */
export class Ring extends RingWays {
  readonly #memory: RegionMemory
  readonly #shape: RingShape
  readonly #participant: Participant
  #views: RingViews
  #congested = false
  #closed = false

  /** Made by `createRing` and `attachRing`. */
  constructor(memory: RegionMemory, shape: RingShape, patience: number, views: RingViews) {
    const participant = Participant.join(views.words)
    super(shape, patience, participant, views)
    this.#memory = memory
    this.#shape = shape
    this.#views = views
    this.#participant = participant
  }

  /** Values in it, as of a moment ago when others use it. */
  get count(): number {
    this.requireOpen()
    // The consumers' index first: it never passes the producers', so what is read later cannot be behind it.
    const consumed = published(this.consumers, SideWord.index)
    const count = (published(this.producers, SideWord.index) - consumed) | 0
    return Math.max(0, Math.min(count, this.capacity))
  }

  /** Values that fit in, as of a moment ago when others use it. */
  get free(): number {
    return this.capacity - this.count
  }

  /**
   * Whether it has filled up to `highWatermark` and not yet emptied to `lowWatermark`, as this Ring sees it when it is
   * asked: what lies between two questions is not known.
   */
  get congested(): boolean {
    const { count } = this
    if (count >= this.#shape.highWatermark) this.#congested = true
    else if (count <= this.#shape.lowWatermark) this.#congested = false
    return this.#congested
  }

  /** Whether this Ring was closed. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * Reserves `count` free slots, or none; write the values into `slots`, then `commitEnqueue`. Until then nothing of it is
   * in the ring, and no other thread enqueues.
   *
   * @returns the slots; a `length` of 0 when they are not free
   * @throws PinfoldError as `enqueueBulk`
   */
  reserveEnqueueBulk(count: number): RingSpan {
    return this.producing.reserve(count, count)
  }

  /** Reserves as many as are free, up to `count`. @throws PinfoldError as `reserveEnqueueBulk` */
  reserveEnqueueBurst(count: number): RingSpan {
    return this.producing.reserve(count, 1)
  }

  /**
   * Puts in the values of the first `count` reserved slots, and gives the others back. Default: all of them.
   *
   * @throws PinfoldError `ERR_RING_RESERVATION` without a reservation, `ERR_OUT_OF_RANGE`; the reservation stays then
   */
  commitEnqueue(count?: number): void {
    this.producing.commit(count)
  }

  /**
   * Reserves `count` values, or none; read them in `slots`, then `commitDequeue`. Until then they are in the ring, and no
   * other thread dequeues.
   *
   * @throws PinfoldError as `dequeueBulk`
   */
  reserveDequeueBulk(count: number): RingSpan {
    return this.consuming.reserve(count, count)
  }

  /** Reserves as many as there are, up to `count`. @throws PinfoldError as `reserveDequeueBulk` */
  reserveDequeueBurst(count: number): RingSpan {
    return this.consuming.reserve(count, 1)
  }

  /** Takes the first `count` reserved values out; the others stay. Default: all of them. @throws PinfoldError as `commitEnqueue` */
  commitDequeue(count?: number): void {
    this.consuming.commit(count)
  }

  /**
   * Gives up what this Ring has of it: a reservation is void, and another thread can be its one producer or consumer. The
   * values stay. Once only.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#views.words.length > 0) {
      this.producing.leave()
      this.consuming.leave()
      this.#participant.leave()
    }
    this.#use(noViews)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [inspect.custom](): string {
    if (this.#closed || this.#views.words.length === 0) return `Ring { of ${this.capacity}, closed }`
    return `Ring { ${this.count} of ${this.capacity} }`
  }

  /** @throws PinfoldError `ERR_RING_CLOSED`, `ERR_REGION_CLOSED` */
  protected override requireOpen(): void {
    if (this.#views.words.length > 0) return
    if (this.#closed) throw new PinfoldError('this Ring is closed', { code: 'ERR_RING_CLOSED' })
    // A region that is closed says so. One that is open has lost its ArrayBuffer: somebody has transferred it away.
    this.#use(viewsOf(this.#memory, this.capacity))
  }

  #use(views: RingViews): void {
    this.#views = views
    this.use(views, this.#participant)
  }
}
