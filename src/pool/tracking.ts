import { countOf } from '../arrays/number-array.js'
import { atomicLoad, atomicStore, compareExchange } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import type { MemoryRange } from '../memory/region-memory.js'
import type { PoolCache } from './cache.js'
import type { PoolElements } from './elements.js'
import { writtenOver } from './magazines.js'
import { poolViews } from './views.js'

/**
 * In a state: the thread is giving the element back. The lower bits are the thread's line plus 1, or 0 for a free
 * element.
 */
const isReturning = 0x80
/** In a state: the thread that took the element is dead, and another thread has its line. */
const orphaned = 0x7f
/** All bytes of a free element, in a pool that keeps all stacks: "kkkk". */
const poison = 0x6b

interface History {
  got?: string | undefined
  put?: string | undefined
}

/** A call of the pool that a program has made. The stacks that are kept begin with its caller. */
type Entry = (...args: never[]) => unknown

/**
 * Knows which thread has taken each element of a pool. So the pool refuses an element that is given back twice, notices
 * when an element was written to after it was put back, and can take back the elements that dead threads had taken.
 *
 * Each element has a state: a byte that says which thread has taken it. A free element's number is in a magazine.
 * Around a change from one to the other, the element has a state and is in a magazine, or is being returned and not yet
 * there. The order of stores makes both known to the thread that reclaims; each label names the one that it pairs with:
 *
 *     T1  get, take       state = this thread, before T2        pairs with T7
 *     T2  get, take       the element leaves the magazine       pairs with T6 (PoolCache.drop)
 *     T3  put, give       state = returning, before T4          pairs with T5 and T7
 *     T4  put, give       the element enters a magazine         pairs with T6 (PoolCache.add)
 *     T5  reclaimTaken    reads all states, before T6
 *     T6  reclaimTaken    looks which elements are in magazines: one that a thread left when it died before T2 or after T4
 *                         is there and needs nothing
 *     T7  reclaimTaken    reads the state again, after T6: one that a living thread has taken since T5 is that thread's
 *     T8  put, give       state = free, if it still says returning: a thread that got the element since T4 has written
 *                         its own state
 */
export class Tracking {
  readonly #range: MemoryRange
  readonly #cache: PoolCache
  readonly #elements: PoolElements
  readonly #oneIn: number
  /** The state of an element that this thread has taken. */
  readonly #own: number
  readonly #histories = new Map<number, History>()
  #states: Uint8Array
  #turn = 0

  /** @param oneIn of how many calls the stack of one is kept */
  constructor(range: MemoryRange, cache: PoolCache, elements: PoolElements, oneIn: number) {
    this.#range = range
    this.#cache = cache
    this.#elements = elements
    this.#oneIn = oneIn
    this.#own = cache.participant.line + 1
    this.#states = poolViews(range, cache.shape).states
    // Elements that are still marked with our line belong to its dead previous owner.
    for (const own of [this.#own, isReturning | this.#own]) {
      for (let from = 0; from < elements.capacity; from++) {
        const at = this.#states.indexOf(own, from)
        if (at < from) break
        compareExchange(this.#states, at, own, orphaned)
        from = at
      }
    }
  }

  get(entry: Entry): number {
    const place = this.#cache.ready(1)
    if (place < 0) return -1
    const index = this.#freeAt(place)
    atomicStore(this.#statesNow(), index, this.#own) // T1: before T2
    this.#cache.drop(1) // T2: pairs with T6
    const stack = this.#stack(entry)
    const put = this.#histories.get(index)?.put
    this.#histories.set(index, { got: stack, put })
    if (this.#oneIn === 1) this.#requirePoison(index, put, stack)
    return index
  }

  put(index: number, entry: Entry): void {
    this.#require('put', index)
    const states = this.#statesNow()
    const stack = this.#stack(entry)
    // T3: before T4 in `#putReturning`
    if (!this.#rename(index, isReturning | this.#own)) throw this.#isFree('put', index, stack)
    this.#histories.set(index, { got: this.#histories.get(index)?.got, put: stack })
    this.#putReturning(states, index)
  }

  getBulk(values: Uint32Array, given: number | undefined, at: number, entry: Entry): number {
    const count = countOf('getBulk', values, given, at)
    this.#cache.wordsNow() // throws when the pool is closed, also when `count` is 0
    for (let done = 0; done < count; done++) {
      const index = this.get(entry)
      if (index < 0) {
        while (done-- > 0) this.put(values[at + done], entry)
        return 0
      }
      values[at + done] = index
    }
    return count
  }

  putBulk(values: Uint32Array, given: number | undefined, at: number, entry: Entry): void {
    const count = countOf('putBulk', values, given, at)
    this.#cache.wordsNow() // throws when the pool is closed, also when `count` is 0
    for (let done = 0; done < count; done++) this.put(values[at + done], entry)
  }

  take(count: number, entry: Entry): number {
    const place = this.#cache.ready(count)
    const stack = this.#stack(entry)
    if (place < 0) return -1
    const taken = Array.from({ length: count }, (_, i) => this.#freeAt(place + i))
    for (const index of taken) {
      atomicStore(this.#statesNow(), index, this.#own) // T1: before T2
      this.#histories.set(index, { got: stack, put: this.#histories.get(index)?.put })
    }
    this.#cache.drop(count) // T2: pairs with T6
    return place
  }

  give(count: number, entry: Entry): void {
    const place = this.#cache.room(count)
    const states = this.#statesNow()
    const stack = this.#stack(entry)
    const returning = isReturning | this.#own
    // Copied: when waiters have asked, the magazine belongs to the depot at the end.
    const given = [...this.#cache.spans.subarray(place, place + count)]
    const before: number[] = []
    for (const index of given) {
      const state = this.#elements.has(index) ? atomicLoad(states, index) : 0
      if (state !== 0 && (state & isReturning) === 0) {
        before.push(state)
        atomicStore(states, index, returning) // T3: before T4
        continue
      }
      // An element that is there twice is being returned already. All elements get their states back.
      for (const [at, earlier] of before.entries()) atomicStore(states, given[at], earlier)
      throw this.#elements.has(index) ? this.#isFree('give', index, stack) : this.#elements.wrong('give', index)
    }
    for (const index of given) {
      this.#histories.set(index, { got: this.#histories.get(index)?.got, put: stack })
      if (this.#oneIn === 1) this.#elements.view(index).fill(poison)
    }
    this.#cache.add(count) // T4: pairs with T6
    this.#cache.answerIfAsked()
    // T8: if a waiter has got the element by now, the state is the waiter's, and stays.
    for (const index of given) compareExchange(states, index, returning, 0)
  }

  view(index: number, entry: Entry): Uint8Array<ArrayBuffer> {
    this.#require('view', index)
    if (atomicLoad(this.#statesNow(), index) === 0) throw this.#isFree('view', index, this.#stack(entry))
    return this.#elements.view(index)
  }

  reclaimTaken(): number {
    const states = this.#statesNow()
    let found = this.#cache.reclaim()
    const dead: number[] = []
    const isDead = Array.from(
      { length: 128 },
      (_, name) => name === orphaned || (name > 0 && !this.#cache.isLineAlive(name - 1)),
    )
    // T5: before T6
    for (const [index, state] of states.entries()) if (isDead[state & ~isReturning] === true) dead.push(index)
    const isFree = this.#cache.freeElements() // T6: after T5, pairs with T2 and T4
    for (const index of dead) {
      const state = atomicLoad(states, index) // T7: after T6, pairs with T1
      const returning = isReturning | this.#own
      if (isFree(index) || isDead[state & ~isReturning] !== true) continue
      if (compareExchange(states, index, state, returning) !== state) continue // T3: before T4
      this.#putReturning(states, index)
      found += 1
    }
    return found
  }

  adopt(index: number, entry: Entry): void {
    this.#require('adopt', index)
    if (!this.#rename(index, this.#own)) throw this.#isFree('adopt', index, this.#stack(entry))
  }

  /** Puts an element back whose state says that this thread is returning it. */
  #putReturning(states: Uint8Array, index: number): void {
    if (this.#oneIn === 1) this.#elements.view(index).fill(poison)
    this.#cache.put(index) // T4: pairs with T6
    // T8: if another thread has got the element by now, the state is that thread's, and stays.
    compareExchange(states, index, isReturning | this.#own, 0)
  }

  /**
   * Gives a taken element another state; returns false if it is free. Retries if the state changed meanwhile: a thread
   * that joined in between only marked the element orphaned.
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
    const index = this.#cache.spans[place] ?? -1 // no number stands there if the count was written over
    const { capacity } = this.#elements
    if (this.#elements.has(index)) return index
    throw new PinfoldError(
      `pool: expected a number from 0 to ${capacity - 1} in a magazine, found ${index}: ${writtenOver}`,
      {
        code: 'ERR_POOL_LAYOUT',
        values: { index, capacity },
      },
    )
  }

  #require(subject: string, index: number): void {
    if (!this.#elements.has(index)) throw this.#elements.wrong(subject, index)
  }

  #statesNow(): Uint8Array {
    if (this.#states.length === 0) {
      this.#cache.wordsNow()
      this.#states = poolViews(this.#range, this.#cache.shape).states
    }
    return this.#states
  }

  #stack(entry: Entry): string | undefined {
    this.#turn = (this.#turn + 1) % this.#oneIn
    if (this.#turn !== 0) return undefined
    const holder: { stack?: string } = {}
    Error.captureStackTrace(holder, entry)
    return holder.stack?.split('\n').slice(1).join('\n')
  }

  #requirePoison(index: number, put: string | undefined, got: string | undefined): void {
    // An element that was never put back has not been filled.
    if (put === undefined) return
    const at = this.#elements.view(index).findIndex((byte) => byte !== poison)
    if (at < 0) return
    this.#cache.put(index)
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
