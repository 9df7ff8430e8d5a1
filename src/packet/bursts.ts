import type { MemoryRange } from '../memory/region-memory.js'
import { spansAt } from '../pool/layout.js'
import { type Addressing, Shadow } from '../shadow/shadow.js'
import type { WasmCalls } from '../shadow/webassembly.js'
import { damaged } from './errors.js'
import { packetPlaces } from './layout.js'
import { discard, giveUpMany } from './references.js'
import type { PacketTable } from './table.js'

// Bursts of packets. native/wasm/packet.c does the same for arrays that it can use, and leaves all else to this file.

/** Where packets lie in this thread's WebAssembly memory. */
export class PacketShadow {
  readonly calls: WasmCalls
  /** The address of the record of packet 0. */
  readonly records: number
  /** The address of place 0 of `pool.spans`. */
  readonly numbers: number
  readonly #parts: readonly Shadow[]

  private constructor({ shape }: PacketTable, ofRecords: Shadow, ofPool: Shadow) {
    this.calls = ofRecords.calls
    this.records = ofRecords.address + packetPlaces(shape).records
    this.numbers = ofPool.address + spansAt
    this.#parts = [ofRecords, ofPool]
  }

  /** Undefined if there is none. @param pool the range of the pool's bookkeeping */
  static of(table: PacketTable, pool: MemoryRange, user: Addressing): PacketShadow | undefined {
    const ofPool = Shadow.of(pool, pool.length, user)
    if (ofPool === undefined) return undefined
    const ofRecords = Shadow.of(table.range, packetPlaces(table.shape).details, user)
    if (ofRecords !== undefined) return new PacketShadow(table, ofRecords, ofPool)
    ofPool.close()
    return undefined
  }

  close(): void {
    for (const part of this.#parts) part.close()
  }
}

/** Allocates into any array, all or none. The range of `values` was checked. @throws PinfoldError as `allocateBulk` */
export function allocateInto(table: PacketTable, values: Uint32Array, count: number, at: number): number {
  const { pool } = table
  let done = 0
  try {
    while (done < count) {
      const piece = Math.min(pool.magazineSize, count - done)
      const first = pool.take(piece)
      if (first < 0) break
      makePackets(table, values, piece, at + done, first)
      done += piece
    }
  } finally {
    // There are too few, or another thread keeps the depot.
    if (done < count) discard(table, numbersOf(values, at, done))
  }
  return done < count ? 0 : count
}

/** Makes packets of the elements whose numbers stand in `pool.spans` from `first` on. */
function makePackets(table: PacketTable, values: Uint32Array, count: number, at: number, first: number): void {
  const { pairs } = table.views
  const { spans } = table.pool
  const { counts, place } = table.made
  for (let one = 0; one < count; one++) {
    const index = spans[first + one]
    if (index >= table.shape.capacity) throw damaged('allocateBulk', index, 'there is no such packet')
    values[at + one] = index
    pairs[index << 2] = counts
    pairs[(index << 2) + 1] = place
  }
}

/** Gives packets of any array up, all or none. The range of `values` was checked. @throws PinfoldError as `freeBulk` */
export function freeFrom(table: PacketTable, values: Uint32Array, count: number, at: number): void {
  const { pool } = table
  const { counts } = table.made
  const { capacity } = table.shape
  if (count <= pool.magazineSize) {
    const first = pool.room(count)
    const { spans } = pool
    const { pairs } = table.views
    let done = 0
    for (; done < count; done++) {
      const index = values[at + done]
      // A packet that is there twice is free when it comes the second time.
      if (index >= capacity || pairs[index << 2] !== counts) break
      pairs[index << 2] = 0
      spans[first + done] = index
    }
    if (done === count) {
      pool.give(count)
      return
    }
    for (let place = first; place < first + done; place++) pairs[spans[place] << 2] = counts
  }
  giveUpMany(table, values, count, at)
}

/** A copy of `count` elements from `at` on. Not by a method, since the caller's array may have one of its own. */
function numbersOf(values: Uint32Array, at: number, count: number): number[] {
  const numbers: number[] = []
  for (let place = 0; place < count; place++) numbers[place] = values[at + place]
  return numbers
}
