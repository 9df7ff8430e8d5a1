import { randomInt } from 'node:crypto'
import { atomicAdd, atomicStore, compareExchange } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import type { RegionCore } from '../memory/region-core.js'
import { isRegionMemory, type MemoryRange, type RegionMemory, rangeOf } from '../memory/region-memory.js'
import { checkRange } from '../options.js'
import { describe } from '../sizes.js'
import { slotWord, slotWords } from './layout.js'

/**
 * The external buffers of a thread's packets. A callback is this thread's, so a buffer whose last packet another thread has
 * freed waits for its owner; that of an owner that is no more stays taken.
 */
export class ExternalSlots {
  readonly #owner = randomInt(1, 2 ** 31)
  readonly #callbacks = new Map<number, () => void>()

  /** @returns the slot's number. @throws PinfoldError when all are taken */
  claim(slots: Int32Array, { offset, length }: ExternalRange, release: () => void): number {
    const count = slots.length / slotWords
    for (let slot = 0; slot < count; slot++) {
      const at = slot * slotWords
      if (compareExchange(slots, at + slotWord.owner, 0, this.#owner) !== 0) continue
      slots[at + slotWord.offsetLow] = offset % 2 ** 32
      slots[at + slotWord.offsetHigh] = Math.floor(offset / 2 ** 32)
      slots[at + slotWord.length] = length
      this.#callbacks.set(slot, release)
      atomicStore(slots, at + slotWord.references, 1)
      return slot
    }
    throw new PinfoldError(`attachExternal: all ${count} slots of external buffers are taken`, {
      code: 'ERR_PACKETS_EXHAUSTED',
      values: { externals: count },
    })
  }

  /** One more packet uses it. */
  share(slots: Int32Array, at: number): void {
    atomicAdd(slots, at + slotWord.references, 1)
  }

  /** No packet uses it any more. */
  released(slots: Int32Array, slot: number): void {
    const release = this.#callbacks.get(slot)
    const at = slot * slotWords
    if (release === undefined || slots[at + slotWord.owner] !== this.#owner) return
    this.#callbacks.delete(slot)
    atomicStore(slots, at + slotWord.owner, 0)
    release()
  }

  /** Those that others have freed. Also when a callback throws, which is thrown at the end. */
  run(slots: Int32Array): number {
    const failures: unknown[] = []
    let count = 0
    for (const slot of [...this.#callbacks.keys()]) {
      // An earlier callback may have given the slot to another buffer.
      if (slots[slot * slotWords + slotWord.references] !== 0 || !this.#callbacks.has(slot)) continue
      count += 1
      try {
        this.released(slots, slot)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
    return count
  }
}

/** Where an external buffer is in its region. */
export type ExternalRange = Pick<MemoryRange, 'offset' | 'length'>

/** What the caller has given, read once. @throws PinfoldError */
export function externalRange(core: RegionCore, memory: RegionMemory, release: () => void): ExternalRange {
  const range = isRegionMemory(memory) ? rangeOf(memory) : undefined
  if (range === undefined || range.core.id !== core.id) throw wrong('memory', "memory of the packets' region", memory)
  const { offset, length } = range
  checkRange('attachExternal', offset, length, core.size)
  if (typeof release !== 'function') throw wrong('release', 'a function', release)
  if (length < 2 ** 31) return { offset, length }
  throw new PinfoldError(`attachExternal: expected less than 2 GiB, received ${length} bytes`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { length },
  })
}

function wrong(name: string, expected: string, received: unknown): PinfoldError {
  return new PinfoldError(`attachExternal: ${name}: expected ${expected}, received ${describe(received)}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { [name]: received },
  })
}
