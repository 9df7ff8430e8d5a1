import { copyNumbers } from '../arrays/number-array.js'
import { atomicAdd, min } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { damaged, packetFree, packetShared } from './errors.js'
import { mostReferences, oneSharer, recordWord, recordWords, slotWord } from './layout.js'
import {
  freeableSegmentsOf,
  holders,
  isPacket,
  otherBuffer,
  type PacketTable,
  recordOf,
  segmentsAt,
  segmentsOf,
  slotOf,
  viewsNow,
} from './table.js'

// The reference counts of packets, and what happens when one reaches 0. A call that gives packets up has three steps:
//
// 1. It removes its references from all records.
// 2. It returns the packets that this made free to the pool.
// 3. It calls the release callbacks. A callback may call the packets again, or throw.
//
// So no callback finds a packet half-way, and none can lose one. `settle` is step 2 and 3.

/** How many holders a segment has. @throws PinfoldError as `packets.references` */
export function count(table: PacketTable, index: number): number {
  recordOf(table, 'references', index)
  return holders(table, index)
}

/** Takes one packet from the pool; -1 when there is none. @throws PinfoldError as `packets.allocate` */
export function allocate(table: PacketTable): number {
  return startRecord(table, table.pool.get())
}

/** Writes the record of a new packet. @param index what the pool gave: -1 when it is empty */
export function startRecord(table: PacketTable, index: number): number {
  if (index === -1) return returnOlder(table) ? allocate(table) : -1
  const { records } = viewsNow(table)
  if (!isPacket(index, table.shape.capacity)) throw damaged('allocate', index, 'there is no such packet')
  const at = index << 3
  records[at + recordWord.references] = 1
  records[at + recordWord.form] = 1
  records[at + recordWord.start] = table.shape.headroom
  records[at + recordWord.length] = 0
  return index
}

/** Takes `count` packets. @returns their numbers, or none when there are too few */
export function allocateSome(table: PacketTable, count: number): number[] {
  const made: number[] = []
  let isMade = false
  try {
    while (made.length < count) {
      const one = allocate(table)
      if (one < 0) return []
      made.push(one)
    }
    isMade = true
  } finally {
    // There are too few, or another thread keeps the depot.
    if (!isMade) discard(table, made)
  }
  return made
}

/** Gives a packet up. @throws PinfoldError as `packets.free` */
export function giveUp(table: PacketTable, index: number): void {
  const segments = freeableSegmentsOf(table, 'free', index)
  requireRoom(table, segments.length)
  dropAll(table, segments)
}

/**
 * Gives up the `count` packets from `at` on: all of them, or none.
 *
 * @param values another thread may write to it meanwhile
 * @throws PinfoldError as `packets.free`
 */
export function giveUpMany(table: PacketTable, values: Uint32Array, count: number, at: number): void {
  const { unreturned, views, made, shape } = table
  const { pairs } = views
  const { counts } = made
  unreturned.reserve(count)
  const { numbers, length } = unreturned
  // Packets of one holder, one segment and their own buffer: nearly all. Such a packet that is named twice is free when
  // it comes the second time.
  let usual = 0
  const others: number[] = []
  let segments: number[]
  try {
    for (let place = at; place < at + count; place++) {
      const index = values[place]
      if (!isPacket(index, shape.capacity) || pairs[index << 2] !== counts) {
        others[others.length] = index
        continue
      }
      numbers[length + usual] = index
      usual += 1
      pairs[index << 2] = 0
    }
    segments = segmentsToGiveUp(table, others)
    requireRoom(table, usual + segments.length)
  } catch (error) {
    for (let place = length; place < length + usual; place++) pairs[numbers[place] << 2] = counts
    throw error
  }
  unreturned.length += usual
  dropAll(table, segments)
}

/** Adds a holder to each segment of a packet. @throws PinfoldError as `packets.retain` */
export function retain(table: PacketTable, index: number): void {
  const segments = segmentsOf(table, 'retain', index)
  if (segments.some((segment) => holders(table, segment) >= mostReferences)) {
    throw packetShared('retain', index, 'has 32,766 holders, the most that a packet can have')
  }
  for (const segment of segments) atomicAdd(table.views.records, segment << 3, 1)
  settle(table)
}

/** Gives up segments that an unfinished call has made. */
export function discard(table: PacketTable, segments: readonly number[]): void {
  for (const segment of segments) if (isPacket(segment, table.shape.capacity)) drop(table, segment)
  settle(table)
}

/** Runs `work` on new packets. If it throws, gives them up and rethrows. */
export function orDiscard(table: PacketTable, made: readonly number[], work: () => void): void {
  try {
    work()
  } catch (error) {
    discard(table, made)
    throw error
  }
}

/**
 * Makes room in this thread's cache for what so many segments may free, so that `settle` can return it whatever another
 * thread does with the depot.
 *
 * @throws PinfoldError as `pool.room`
 */
export function requireRoom({ pool, unreturned }: PacketTable, segments: number): void {
  unreturned.reserve(2 * segments)
  pool.room(min(2 * segments, pool.magazineSize))
}

function dropAll(table: PacketTable, segments: readonly number[]): void {
  for (const segment of segments) drop(table, segment)
  settle(table)
}

/** Removes one holder of a segment. */
export function drop(table: PacketTable, index: number): void {
  const { records } = table.views
  const at = index << 3
  if (records[at] !== 1 && Atomics.sub(records, at, 1) !== 1) return
  dropBuffer(table, index)
  records.fill(0, at, at + recordWords)
  table.unreturned.push(index)
}

/** Gives up the buffer that a segment uses in place of its own. */
export function dropBuffer(table: PacketTable, index: number): void {
  const { shape, views } = table
  const at = index << 3
  const buffer = otherBuffer(table, index)
  views.records[at + recordWord.form] = segmentsAt(table, at)
  if (buffer > 0 && isPacket(buffer - 1, shape.capacity)) dropSharer(table, buffer - 1)
  if (buffer >= 0 || -buffer > shape.externals) return
  const slot = slotOf(buffer) + slotWord.references
  if (Atomics.sub(views.slots, slot, 1) === 1) table.unreleased.push(-1 - buffer)
}

/** Retries to return free packets that an earlier call could not return. @returns whether it returned any */
export function returnOlder(table: PacketTable): boolean {
  const before = table.unreturned.length
  if (before > 0) settle(table)
  return table.unreturned.length < before
}

/**
 * Returns free packets to the pool, and calls release callbacks. A packet that cannot be returned, since another thread
 * keeps the depot, waits for a later call.
 *
 * @throws the first error, when all else is done; but no `ERR_POOL_BUSY`, since the packets were given up all the same
 */
export function settle(table: PacketTable): void {
  const { pool, unreturned, unreleased } = table
  const failures: unknown[] = []
  let most = pool.magazineSize
  while (unreturned.length > 0) {
    const count = min(unreturned.length, most)
    const left = unreturned.length - count
    try {
      const first = pool.room(count) // may renew `spans`
      copyNumbers(pool.spans, first, unreturned.numbers, left, count)
    } catch (error) {
      if (count > 1 && isBusy(error)) {
        most = 1 // this thread's cache may have room for some
        continue
      }
      if (!isBusy(error)) failures.push(error)
      break
    }
    unreturned.length = left
    try {
      pool.give(count)
    } catch (error) {
      // The packets are in the pool already. Only the answer to other threads, which wait for packets, has failed.
      if (!isBusy(error)) failures.push(error)
    }
  }
  for (let slot = taken(unreleased); slot !== undefined; slot = taken(unreleased)) {
    try {
      table.externals.released(table.views.slots, slot)
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** The segments of these packets, as often as a packet is named. None is there more often than it has holders. */
function segmentsToGiveUp(table: PacketTable, packets: readonly number[]): number[] {
  const times = new Map<number, number>()
  const found: number[] = []
  for (const index of packets) {
    for (const segment of freeableSegmentsOf(table, 'freeBulk', index)) {
      const before = times.get(segment) ?? 0
      if (before >= holders(table, segment)) throw packetFree('freeBulk', index)
      times.set(segment, before + 1)
      found.push(segment)
    }
  }
  return found
}

/** Removes one user of a packet's own buffer, which may have outlived the packet's holders. */
function dropSharer(table: PacketTable, index: number): void {
  const { records } = table.views
  const at = index << 3
  if (Atomics.sub(records, at, oneSharer) !== oneSharer) return
  records.fill(0, at, at + recordWords)
  table.unreturned.push(index)
}

function isBusy(error: unknown): boolean {
  return error instanceof PinfoldError && error.code === 'ERR_POOL_BUSY'
}

/** Removes the last of `values`. Not by `pop`, so that a loop ends also in a program that has replaced it. */
function taken(values: number[]): number | undefined {
  const last = values.length - 1
  if (last < 0) return undefined
  const value = values[last]
  values.length = last
  return value
}
