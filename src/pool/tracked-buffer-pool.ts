import { isRange, lengthFrom, wrongRange } from '../arrays/number-array.js'
import { pairsOf } from '../arrays/pairs.js'
import { atomicLoad, atomicStore, compareExchange } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import type { AlignedMemory } from '../memory/region-memory.js'
import { BufferPool } from './buffer-pool.js'
import type { Depot } from './depot.js'
import type { PoolShape } from './layout.js'
import { writtenOver } from './magazines.js'
import { poolViews } from './views.js'

/** In a state: the thread is giving the element back. Below are the thread's line plus 1, or 0 when it is free. */
const isReturning = 0x80
/** A state: whoever had it is dead, and another thread has the line. */
const orphaned = 0x7f
/** What a free element's bytes are, in a pool that keeps all stacks: "kkkk". */
const poison = 0x6b

interface History {
  got?: string | undefined
  put?: string | undefined
}

/**
 * A pool that knows who has taken each element. It refuses to take one back twice, notices when one was written to after it
 * was put back, and can take back what dead threads had taken.
 */
export class TrackedBufferPool extends BufferPool {
  readonly #oneIn: number
  readonly #histories = new Map<number, History>()
  #states: Uint8Array
  #turn = 0

  constructor(range: AlignedMemory, shape: PoolShape, depot: Depot, oneIn: number) {
    super(range, shape, depot, true)
    this.#oneIn = oneIn
    this.#states = poolViews(range.memory, shape).states
    // Nobody can have taken them by this line's name but one who has died.
    for (const own of [this.line + 1, isReturning | (this.line + 1)]) {
      for (let from = 0; from < shape.capacity; from++) {
        const at = this.#states.indexOf(own, from)
        if (at < from) break
        compareExchange(this.#states, at, own, orphaned)
        from = at
      }
    }
  }

  override get(): number {
    const place = this.ready(1)
    if (place < 0) return -1
    const index = this.#freeAt(place)
    // Before it leaves the magazine: a thread that dies now has it in one place or the other.
    atomicStore(this.#statesNow(), index, this.line + 1)
    super.get()
    const stack = this.#stack(this.get)
    const put = this.#histories.get(index)?.put
    this.#histories.set(index, { got: stack, put })
    if (this.#oneIn === 1) this.#requirePoison(index, put, stack)
    return index
  }

  override put(index: number): void {
    if (!this.isElement(index)) throw this.noElement('put', index)
    const states = this.#statesNow()
    const stack = this.#stack(this.put)
    const returning = isReturning | (this.line + 1)
    if (!this.#rename(index, returning)) throw this.#isFree('put', index, stack)
    this.#histories.set(index, { got: this.#histories.get(index)?.got, put: stack })
    if (this.#oneIn === 1) super.view(index).fill(poison)
    super.put(index)
    // Another thread may have got it by now, and its word is the later one.
    compareExchange(states, index, returning, 0)
  }

  override getBulk(values: Uint32Array, given?: number, at = 0): number {
    pairsOf('getBulk', values)
    const count = given === undefined ? lengthFrom(values, at) : given
    if (!isRange(values, count, at)) throw wrongRange('getBulk', values, count, at)
    for (let done = 0; done < count; done++) {
      const index = this.get()
      if (index < 0) {
        while (done-- > 0) this.put(values[at + done] ?? 0)
        return 0
      }
      values[at + done] = index
    }
    return count
  }

  override putBulk(values: Uint32Array, given?: number, at = 0): void {
    pairsOf('putBulk', values)
    const count = given === undefined ? lengthFrom(values, at) : given
    if (!isRange(values, count, at)) throw wrongRange('putBulk', values, count, at)
    for (let done = 0; done < count; done++) this.put(values[at + done] ?? 0)
  }

  override take(count: number): number {
    const place = this.ready(count)
    const stack = this.#stack(this.take)
    const taken = place < 0 ? [] : Array.from({ length: count }, (_, i) => this.#freeAt(place + i))
    for (const index of taken) {
      // Before it leaves the magazine, as in `get`.
      atomicStore(this.#statesNow(), index, this.line + 1)
      this.#histories.set(index, { got: stack, put: this.#histories.get(index)?.put })
    }
    return place < 0 ? -1 : super.take(count)
  }

  override give(count: number): void {
    const place = this.room(count)
    const states = this.#statesNow()
    const stack = this.#stack(this.give)
    const returning = isReturning | (this.line + 1)
    // Read once: when others wait, the magazine is theirs at the end.
    const given = [...this.spans.subarray(place, place + count)]
    const before: number[] = []
    for (const index of given) {
      const state = this.isElement(index) ? atomicLoad(states, index) : 0
      if (state !== 0 && (state & isReturning) === 0) {
        before.push(state)
        atomicStore(states, index, returning)
        continue
      }
      // One that is there twice is being returned already. All stay as they were.
      for (const [at, earlier] of before.entries()) atomicStore(states, given[at] ?? 0, earlier)
      throw this.isElement(index) ? this.#isFree('give', index, stack) : this.noElement('give', index)
    }
    for (const index of given) {
      this.#histories.set(index, { got: this.#histories.get(index)?.got, put: stack })
      if (this.#oneIn === 1) super.view(index).fill(poison)
    }
    super.give(count)
    // Whoever has got one by now, because others waited, has written its own word.
    for (const index of given) compareExchange(states, index, returning, 0)
  }

  override view(index: number): Uint8Array<ArrayBuffer> {
    if (!this.isElement(index)) throw this.noElement('view', index)
    if (atomicLoad(this.#statesNow(), index) === 0) throw this.#isFree('view', index, this.#stack(this.view))
    return super.view(index)
  }

  /**
   * Takes back what threads that have died, or closed the pool, had taken, and what they had in their caches. An element that one of them handed
   * on to a living thread is still known as the dead one's: `adopt` it there.
   *
   * @returns how many elements
   * @throws PinfoldError as `get`
   */
  override reclaimTaken(): number {
    const states = this.#statesNow()
    let found = this.reclaim()
    const dead: number[] = []
    const isDead = Array.from(
      { length: 128 },
      (_, name) => name === orphaned || (name > 0 && !this.isLineAlive(name - 1)),
    )
    for (const [index, state] of states.entries()) if (isDead[state & ~isReturning] === true) dead.push(index)
    // Looked at later than the states: an element that a living thread has got meanwhile has another state by now.
    const isFree = this.freeElements()
    for (const index of dead) {
      const state = atomicLoad(states, index)
      const returning = isReturning | (this.line + 1)
      if (isFree(index) || isDead[state & ~isReturning] !== true) continue
      if (compareExchange(states, index, state, returning) !== state) continue
      if (this.#oneIn === 1) super.view(index).fill(poison)
      super.put(index)
      compareExchange(states, index, returning, 0)
      found += 1
    }
    return found
  }

  override adopt(index: number): void {
    if (!this.isElement(index)) throw this.noElement('adopt', index)
    if (!this.#rename(index, this.line + 1)) throw this.#isFree('adopt', index, this.#stack(this.adopt))
  }

  /**
   * Gives an element that is taken another state; false when it is free. Again when another thread comes between: one that
   * has just got the line of who had taken it says only that that one is gone.
   */
  #rename(index: number, name: number): boolean {
    const states = this.#statesNow()
    for (;;) {
      const state = atomicLoad(states, index)
      if (state === 0 || (state & isReturning) !== 0) return false
      if (compareExchange(states, index, state, name) === state) return true
    }
  }

  /** The element whose number stands at a place of this thread's magazine. @throws PinfoldError `ERR_POOL_LAYOUT` */
  #freeAt(place: number): number {
    const index = this.spans[place] ?? -1
    if (this.isElement(index)) return index
    throw new PinfoldError(`pool: element ${index} is free, of ${this.capacity}: ${writtenOver}`, {
      code: 'ERR_POOL_LAYOUT',
      values: { index, capacity: this.capacity },
    })
  }

  #statesNow(): Uint8Array {
    if (this.#states.length === 0) {
      this.wordsNow()
      this.#states = poolViews(this.range.memory, this.shape).states
    }
    return this.#states
  }

  #stack(entry: (...args: never[]) => unknown): string | undefined {
    this.#turn = (this.#turn + 1) % this.#oneIn
    if (this.#turn !== 0) return undefined
    const holder: { stack?: string } = {}
    Error.captureStackTrace(holder, entry)
    return holder.stack?.split('\n').slice(1).join('\n')
  }

  #requirePoison(index: number, put: string | undefined, got: string | undefined): void {
    // What was never put back has not been filled.
    if (put === undefined) return
    const at = super.view(index).findIndex((byte) => byte !== poison)
    if (at < 0) return
    super.put(index)
    atomicStore(this.#statesNow(), index, 0)
    throw new PinfoldError(
      `get: byte ${at} of element ${index} was written to after it was put back${told(put, got)}`,
      {
        code: 'ERR_ELEMENT_WRITTEN',
        values: { index, at, put, got },
      },
    )
  }

  #isFree(subject: string, index: number, now: string | undefined): PinfoldError {
    const { put } = this.#histories.get(index) ?? {}
    return new PinfoldError(`${subject}: element ${index} is free${told(put, now)}`, {
      code: 'ERR_ELEMENT_FREE',
      values: { index, put, now },
    })
  }
}

function told(put: string | undefined, now: string | undefined): string {
  const before = put === undefined ? '' : `\n  it was put back\n${put}`
  return now === undefined ? before : `${before}\n  and now\n${now}`
}
