import { atomicAdd, atomicStore, compareExchange, randomInt } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import type { RegionCore } from '../memory/region-core.js'
import { isRegionMemory, type MemoryRange, type RegionMemory, rangeOf } from '../memory/region-memory.js'
import { checkRange } from '../options.js'
import { describe } from '../sizes.js'
import { slotWord, slotWords } from './layout.js'

/**
 * The external buffers that this thread has attached, and their release callbacks. Only the owner of a buffer can call
 * its callback. If another thread frees the last packet, the buffer waits for its owner; if the owner is dead, the slot
 * stays taken.
 */
export class ExternalSlots {
  readonly #owner = randomInt(1, 2 ** 31)
  readonly #callbacks = new Map<number, () => void>()

  /** Takes a free slot. @returns its number. @throws PinfoldError `ERR_PACKETS_EXHAUSTED` when all are taken */
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

  /** Adds a packet that uses the buffer of the slot at `at`. */
  share(slots: Int32Array, at: number): void {
    atomicAdd(slots, at + slotWord.references, 1)
  }

  /** Frees a slot that no packet uses any more, and calls its callback, if this thread is its owner. */
  released(slots: Int32Array, slot: number): void {
    const release = this.#callbacks.get(slot)
    const at = slot * slotWords
    if (release === undefined || slots[at + slotWord.owner] !== this.#owner) return
    this.#callbacks.delete(slot)
    atomicStore(slots, at + slotWord.owner, 0)
    release()
  }

  /** Calls the callbacks of slots that other threads have freed. If some throw, rethrows the first error at the end. */
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

/** Where an external buffer is in its region, in bytes. */
export type ExternalRange = Pick<MemoryRange, 'offset' | 'length'>

/** The caller's memory, read once and checked. @throws PinfoldError */
export function externalRange(core: RegionCore, memory: RegionMemory, release: () => void): ExternalRange {
  const range = isRegionMemory(memory) ? rangeOf(memory) : undefined
  if (range === undefined || range.core.id !== core.id) throw wrong('memory', "memory of the packets' region", memory)
  const { offset, length } = range
  checkRange('attachExternal', offset, length, core.size)
  if (typeof release !== 'function') throw wrong('release', 'a function', release)
  if (length < 2 ** 31) return { offset, length }
  throw new PinfoldError(`attachExternal: memory: expected less than 2 GiB, received ${length} bytes`, {
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
