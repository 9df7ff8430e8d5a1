import { PinfoldError } from '../errors.js'
import { packetFree } from './errors.js'
import { oneSharer, recordWord, recordWords, slotWord } from './layout.js'
import { PacketRecords } from './records.js'

/**
 * Who has what, and when nobody does any more. What is given up is first taken off all records; then the buffers that came
 * free by that go back to the pool; and then callbacks are called, which may call back here, or throw. So none of them finds
 * anything half-way, and none can lose a packet.
 */
export abstract class PacketHolds extends PacketRecords {
  /** Buffers that nobody has any more, and that are not in the pool yet. */
  readonly #owed: number[] = []
  /** External buffers that nobody has any more, whose callbacks are to be called. */
  readonly #over: number[] = []

  /** Calls the callback of an external buffer that no packet has any more. */
  protected abstract released(slot: number): void

  protected override giveUp(subject: string, packets: readonly number[]): void {
    this.changing(() => {
      const segments = this.#freeable(subject, packets)
      this.requireRoom(segments.length)
      for (const segment of segments) this.drop(segment)
    })
  }

  protected override settleOwed(): boolean {
    const before = this.#owed.length
    if (before > 0) this.settle()
    return this.#owed.length < before
  }

  /** Does what changes who has what, and then what follows from it. */
  protected changing<Result>(work: () => Result): Result {
    const result = work()
    this.settle()
    return result
  }

  /** Sees to it that what so many segments may free can be put back, whatever another thread does with the depot. @throws */
  protected requireRoom(segments: number): void {
    this.pool.room(Math.min(2 * segments, this.pool.magazineSize))
  }

  protected override discard(segments: readonly number[]): void {
    for (const segment of segments) if (this.isPacket(segment)) this.drop(segment)
    this.settle()
  }

  /** One fewer has the segment. */
  protected drop(index: number): void {
    const { records } = this
    const at = index << 3
    if (records[at] !== 1 && Atomics.sub(records, at, 1) !== 1) return
    this.detachBuffer(index)
    records.fill(0, at, at + recordWords)
    this.#owed.push(index)
  }

  /** Gives up the buffer that a segment uses when it is not its own. */
  protected detachBuffer(index: number): void {
    const { records } = this
    const at = index << 3
    const buffer = this.otherBuffer(index)
    records[at + recordWord.form] = this.segmentsAt(at)
    if (buffer > 0 && this.isPacket(buffer - 1)) this.#dropSharer(buffer - 1)
    if (buffer >= 0 || -buffer > this.shape.externals) return
    const slot = this.slotOf(buffer) + slotWord.references
    if (Atomics.sub(this.views.slots, slot, 1) === 1) this.#over.push(-1 - buffer)
  }

  /**
   * Puts back what is owed, and calls callbacks. What cannot be put back because a thread keeps the depot is owed on; whoever
   * gave it up has given it up.
   */
  protected settle(): void {
    const failures: unknown[] = []
    for (let index = taken(this.#owed); index !== undefined; index = taken(this.#owed)) {
      try {
        this.pool.room(1)
      } catch (error) {
        this.#owed.push(index)
        if (!isBusy(error)) failures.push(error)
        break
      }
      try {
        this.pool.put(index)
      } catch (error) {
        // It is in the pool by now; that other threads have asked for it could not be answered.
        if (!isBusy(error)) failures.push(error)
      }
    }
    for (let slot = taken(this.#over); slot !== undefined; slot = taken(this.#over)) {
      try {
        this.released(slot)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  /** All segments of these packets, each as often as it is to be given up; none is more often than somebody has it. */
  #freeable(subject: string, packets: readonly number[]): number[] {
    const [only] = packets
    if (packets.length === 1 && only !== undefined) return this.requireFreeable(subject, only)
    const times = new Map<number, number>()
    const found: number[] = []
    for (const index of packets) {
      for (const segment of this.requireFreeable(subject, index)) {
        const had = times.get(segment) ?? 0
        if (had >= this.holders(segment)) throw packetFree(subject, index)
        times.set(segment, had + 1)
        found.push(segment)
      }
    }
    return found
  }

  /** One fewer uses the buffer of a packet. */
  #dropSharer(index: number): void {
    const { records } = this
    const at = index << 3
    if (Atomics.sub(records, at, oneSharer) !== oneSharer) return
    records.fill(0, at, at + recordWords)
    this.#owed.push(index)
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof PinfoldError && error.code === 'ERR_POOL_BUSY'
}

/** Takes the last of `values` out; without `pop`, so that a loop ends in a program that has replaced it. */
function taken(values: number[]): number | undefined {
  const last = values.length - 1
  if (last < 0) return undefined
  const value = values[last]
  values.length = last
  return value
}
