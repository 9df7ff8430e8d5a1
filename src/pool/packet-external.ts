import { randomInt } from 'node:crypto'
import { PinfoldError } from '../errors.js'
import type { MappedRegion } from '../memory/mapped-region.js'
import { Slice } from '../memory/slice.js'
import { describe } from '../sizes.js'
import { slotWord, slotWords } from './packet-layout.js'

/** A part of the region that packets lie in. */
export type ExternalMemory = Slice

/**
 * The external buffers of a thread's packets. A callback is this thread's, so a buffer whose last packet another thread has
 * freed waits for its owner; that of an owner that is no more stays taken.
 */
export class ExternalSlots {
  readonly #owner = randomInt(1, 2 ** 31)
  readonly #callbacks = new Map<number, () => void>()

  /** @returns the slot's number. @throws PinfoldError */
  claim(slots: Int32Array, region: MappedRegion, memory: ExternalMemory, release: () => void): number {
    const { offset, length } = sliceOf(region, memory)
    if (typeof release !== 'function') throw wrong('release', 'a function', release)
    this.run(slots)
    const count = slots.length / slotWords
    for (let slot = 0; slot < count; slot++) {
      const at = slot * slotWords
      if (Atomics.compareExchange(slots, at + slotWord.owner, 0, this.#owner) !== 0) continue
      slots[at + slotWord.offsetLow] = offset % 2 ** 32
      slots[at + slotWord.offsetHigh] = Math.floor(offset / 2 ** 32)
      slots[at + slotWord.length] = length
      this.#callbacks.set(slot, release)
      Atomics.store(slots, at + slotWord.references, 1)
      return slot
    }
    throw new PinfoldError(`attachExternal: all ${count} slots of external buffers are taken`, {
      code: 'ERR_PACKETS_EXHAUSTED',
      values: { externals: count },
    })
  }

  /** One more packet uses it. */
  share(slots: Int32Array, at: number): void {
    Atomics.add(slots, at + slotWord.references, 1)
  }

  /** No packet uses it any more. */
  released(slots: Int32Array, slot: number): void {
    const release = this.#callbacks.get(slot)
    const at = slot * slotWords
    if (release === undefined || slots[at + slotWord.owner] !== this.#owner) return
    this.#callbacks.delete(slot)
    Atomics.store(slots, at + slotWord.owner, 0)
    release()
  }

  /** Those that others have freed. */
  run(slots: Int32Array): number {
    const done = [...this.#callbacks.keys()].filter(
      (slot) => Atomics.load(slots, slot * slotWords + slotWord.references) === 0,
    )
    for (const slot of done) this.released(slots, slot)
    return done.length
  }
}

function sliceOf(region: MappedRegion, memory: ExternalMemory): ExternalMemory {
  const isSlice = isSliceOfRegion(memory)
  if (!isSlice || memory.region.core.id !== region.core.id)
    throw wrong('memory', "a Slice of the packets' region", memory)
  if (memory.length < 2 ** 31) return memory
  throw new PinfoldError(`attachExternal: expected less than 2 GiB, received ${memory.length} bytes`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { length: memory.length },
  })
}

/** As `instanceof`; a Proxy whose trap throws is none. */
function isSliceOfRegion(memory: unknown): memory is Slice {
  try {
    return memory instanceof Slice
  } catch {
    return false
  }
}

function wrong(name: string, expected: string, received: unknown): PinfoldError {
  return new PinfoldError(`attachExternal: ${name}: expected ${expected}, received ${describe(received)}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { [name]: received },
  })
}
