import { inspect } from 'node:util'
import { copyNumbers, countOf, isRange } from '../arrays/number-array.js'
import type { Pairs } from '../arrays/pairs.js'
import type { MemoryRange, RegionMemory } from '../memory/region-memory.js'
import type { BufferPool } from '../pool/buffer-pool.js'
import type { Registers } from '../pool/elements.js'
import { ArrayAddresses, noArray } from '../shadow/array-address.js'
import { BurstArrays, type Scratch } from '../shadow/burst-arrays.js'
import { noCalls, type WasmCalls } from '../shadow/webassembly.js'
import { allocateInto, freeFrom, PacketShadow } from './bursts.js'
import * as chains from './chains.js'
import * as data from './data.js'
import { noneFree } from './errors.js'
import type { PacketField, PacketFieldType } from './fields.js'
import type { PacketShape } from './layout.js'
import { Packet } from './packet.js'
import * as references from './references.js'
import * as segments from './segments.js'
import * as sharing from './sharing.js'
import { detailsOf, lastOf, type OpenedPackets, type PacketTable, packetTable, viewsNow } from './table.js'

/**
 * Packet buffers, as DPDK's rte_mbuf. A packet is a number from 0 to `capacity` - 1, the same in every thread that has
 * the region. It has a buffer in a pool, and a record beside it: where in the buffer the data are, which segment
 * follows, and how many holders it has. A thread that holds a packet may use it, one thread at a time.
 */
export class Packets {
  /** How many packets there are. */
  declare readonly capacity: number
  /** Bytes that a new packet leaves free before its data. */
  declare readonly headroom: number
  /** Bytes of a packet's own buffer, with the headroom. */
  declare readonly bufferSize: number
  /** The pool that the buffers are elements of. */
  declare readonly pool: BufferPool
  // The work is done by functions on a `PacketTable`. Only the calls that a program makes many million times a second
  // have a fast path here, for packets with one holder, one segment and their own buffer. The fast paths are short:
  // V8 inlines at most 920 bytes of bytecode into a program's loop. They use no # fields: V8 checks each access to one.
  /** The table's `views.pairs`. It is empty when another call has renewed the views: see `#current`. */
  declare private pairs: Pairs
  /** The arrays of the last bulk calls, if WebAssembly can use them, and their addresses. */
  declare private target: Uint32Array
  declare private targetAddress: number
  declare private source: Uint32Array
  declare private sourceAddress: number
  declare private readonly calls: WasmCalls
  /** Addresses, as of PacketShadow. */
  declare private readonly records: number
  declare private readonly numbers: number
  /** The first two elements of a new packet's record. */
  declare private readonly counts: number
  declare private readonly place: number
  declare private readonly table: PacketTable
  readonly #arrays = new ArrayAddresses()
  readonly #bursts = new BurstArrays()
  readonly #shadow: PacketShadow | undefined
  /** Releases its claim on the range. */
  readonly #release: () => void

  /** Made by `createPackets` and `attachPackets`. */
  constructor(range: MemoryRange, shape: PacketShape, pool: BufferPool, beside: OpenedPackets) {
    this.pool = pool
    // A program must not change it: WebAssembly checks the numbers of packets by it.
    Object.defineProperty(this, 'capacity', { value: shape.capacity, enumerable: true })
    this.headroom = shape.headroom
    this.bufferSize = pool.elementSize
    this.table = packetTable(range, shape, pool, beside)
    this.#release = beside.release
    this.pairs = this.table.views.pairs
    this.counts = this.table.made.counts
    this.place = this.table.made.place
    this.target = this.source = noArray
    this.targetAddress = this.sourceAddress = 0
    const user = { forgetAddresses: () => this.#forgetArrays() }
    this.#shadow = PacketShadow.of(this.table, beside.bookkeeping, user)
    this.calls = this.#shadow?.calls ?? noCalls
    this.records = this.#shadow?.records ?? 0
    this.numbers = this.#shadow?.numbers ?? 0
  }

  /** Whether this thread has closed it. */
  get closed(): boolean {
    return this.pool.closed
  }

  /** Packets that are free, in the depot and in the caches of all threads. @throws PinfoldError as `pool.get` */
  get available(): number {
    return this.pool.available
  }

  /**
   * Allocates a packet of one segment, without data. Returns its number, or -1 when there is none, as `pool.get`.
   *
   * @throws PinfoldError as `pool.get`; `ERR_PACKET_DAMAGED` when another program has written over the pool
   */
  allocate(): number {
    const index = this.pool.get()
    const { pairs } = this
    const at = index << 2
    if (at >>> 0 >= pairs.length) return this.#allocateSlowly(index)
    pairs[at] = this.counts
    pairs[at + 1] = this.place
    return index
  }

  /**
   * Gives a packet up, with all of its segments. Its memory is free when its last holder has freed it.
   *
   * @throws PinfoldError `ERR_POOL_INDEX`, `ERR_PACKET_FREE`, `ERR_PACKET_SEGMENT`, `ERR_PACKET_DAMAGED`; as `pool.put`
   */
  free(index: number): void {
    const { pairs } = this
    // One holder, one segment, its own buffer.
    if (!this.isPacket(index) || pairs[index << 2] !== this.counts) {
      this.#freeSlowly(index)
      return
    }
    pairs[index << 2] = 0
    try {
      this.pool.put(index)
    } catch (error) {
      pairs[index << 2] = this.counts
      throw error
    }
  }

  /**
   * Allocates `count` packets, into `values` from `at` on, or none. Returns `count` or 0.
   *
   * @throws PinfoldError as `pool.getBulk`
   */
  allocateBulk(values: Uint32Array, count?: number, at = 0): number {
    const { pool } = this
    if (values === this.target && count !== undefined && count <= pool.magazineSize && isRange(values, count, at)) {
      const first = pool.take(count)
      if (first < 0) return 0
      const { calls, records, capacity, headroom, numbers, targetAddress } = this
      const from = (numbers + (first << 2)) | 0
      const to = (targetAddress + (at << 2)) | 0
      if (calls.allocatePackets(records, capacity, headroom, from, to, count)) return count
    }
    return this.#allocateMore(values, count, at)
  }

  /**
   * Gives up the `count` packets of `values` from `at` on.
   *
   * @throws PinfoldError as `free`, which names the first packet that cannot be freed, and none is; as `pool.putBulk`
   */
  freeBulk(values: Uint32Array, count?: number, at = 0): void {
    const { pool } = this
    if (values === this.source && count !== undefined && count <= pool.magazineSize && isRange(values, count, at)) {
      const first = pool.room(count)
      const { calls, records, capacity, numbers, sourceAddress } = this
      const to = (numbers + (first << 2)) | 0
      const from = (sourceAddress + (at << 2)) | 0
      if (calls.freePackets(records, capacity, to, from, count)) {
        pool.give(count)
        return
      }
    }
    this.#freeMore(values, count, at)
  }

  /**
   * An array of `count` numbers for bursts, as `pool.burst`. `allocateBulk` and `freeBulk` take half as long with it.
   *
   * @throws PinfoldError as `pool.burst`
   */
  burst(count: number): Uint32Array {
    this.#current()
    return this.#bursts.make(count)
  }

  /**
   * A packet as an object, for convenience. The program may keep it, and move it to another packet by `at`.
   *
   * @param index of the packet. Default: a new one
   * @throws PinfoldError `ERR_PACKETS_EXHAUSTED` when no packet is free; as `free`
   */
  packet(index?: number): Packet {
    if (index !== undefined) return new Packet(this, index)
    const made = this.allocate()
    if (made < 0) throw noneFree(this.capacity)
    return new Packet(this, made)
  }

  /** Bytes of a packet, of all its segments. @throws PinfoldError as `free` */
  length(index: number): number {
    return data.length(this.table, index)
  }

  /** How many segments a packet has. @throws PinfoldError as `free` */
  segments(index: number): number {
    return segments.count(this.table, index)
  }

  /** Bytes of one segment. @throws PinfoldError as `free` */
  dataLength(index: number): number {
    return data.dataLength(this.table, index)
  }

  /** The segment behind this one; -1 if this is the last. @throws PinfoldError as `free` */
  next(index: number): number {
    return data.next(this.table, index)
  }

  /** A packet's last segment. @throws PinfoldError as `free` */
  last(index: number): number {
    return lastOf(this.table, 'last', index)
  }

  /** Where a segment's data start, in bytes from the start of the packets' memory. @throws PinfoldError as `free` */
  offset(index: number): number {
    return data.offset(this.table, index)
  }

  /** Bytes before a segment's data; 0 when other packets use its buffer. @throws PinfoldError as `free` */
  headroomOf(index: number): number {
    return data.headroomOf(this.table, index)
  }

  /** Bytes behind a packet's last segment; 0 when other packets use its buffer. @throws PinfoldError as `free` */
  tailroomOf(index: number): number {
    return data.tailroomOf(this.table, index)
  }

  /** The data of a segment. Once the region is closed, the view has length 0. @throws PinfoldError as `free` */
  bytes(index: number): Uint8Array<ArrayBuffer> {
    return data.bytesOf(this.table, 'bytes', index)
  }

  /** How often a segment has to be freed: once, and once for each `retain`. @throws PinfoldError as `free` */
  references(index: number): number {
    return references.count(this.table, index)
  }

  /** Whether other packets use the buffer of a segment: it has no room then. @throws PinfoldError as `free` */
  isShared(index: number): boolean {
    return data.isShared(this.table, index)
  }

  /** A declared field. @throws PinfoldError `ERR_INVALID_ARGUMENT` when none of that name and type was declared */
  field(name: string, type: 'uint64'): PacketField<bigint>
  field(name: string, type: Exclude<PacketFieldType, 'uint64'>): PacketField
  field(name: string, type: PacketFieldType): PacketField | PacketField<bigint> {
    return this.table.fields.open(name, type, detailsOf(this.table))
  }

  /** The private area of a segment: `privateSize` bytes for the program. @throws PinfoldError as `free` */
  privateOf(index: number): Uint8Array<ArrayBuffer> {
    return data.privateOf(this.table, index)
  }

  /**
   * Makes a packet longer at its end, by `count` bytes of its last segment's tailroom. Returns the offset of these
   * bytes, as `offset` counts it.
   *
   * @throws PinfoldError `ERR_PACKET_TAILROOM`, `ERR_OUT_OF_RANGE`; as `free`
   */
  append(index: number, count: number): number {
    return data.append(this.table, index, count)
  }

  /**
   * Makes a packet longer at its start, by `count` bytes of its headroom. Returns its new `offset`.
   *
   * @throws PinfoldError `ERR_PACKET_HEADROOM`, `ERR_OUT_OF_RANGE`; as `free`
   */
  prepend(index: number, count: number): number {
    return data.prepend(this.table, index, count)
  }

  /**
   * Removes `count` bytes from the start of a packet's first segment. Returns its new `offset`.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when the first segment has fewer; as `free`
   */
  adj(index: number, count: number): number {
    return data.adj(this.table, index, count)
  }

  /** Removes `count` bytes from the end of a packet's last segment. @throws PinfoldError as `adj` */
  trim(index: number, count: number): void {
    data.trim(this.table, index, count)
  }

  /** The parts of a packet in order, one for each segment, as an iovec lists them. @throws PinfoldError as `free` */
  parts(index: number): segments.PacketPart[] {
    return segments.parts(this.table, index)
  }

  /**
   * The parts of a packet that are not empty, as memory of one work request.
   *
   * @param registration of the region that the packets lie in, or of a part of it that contains them
   * @throws PinfoldError `ERR_INVALID_ARGUMENT`; as `free` and `registration.slice`
   */
  scatter<Entry>(index: number, registration: Registers<Entry>): Entry[] {
    return segments.scatter(this.table, index, registration)
  }

  /**
   * Copies a packet's bytes from `from` on into `target`, as many as `target` holds.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when the packet has fewer, `ERR_INVALID_ARGUMENT`; as `free`
   */
  read(index: number, from: number, target: Uint8Array): void {
    segments.read(this.table, index, from, target)
  }

  /** Copies `source` over a packet's bytes from `at` on. The packet stays as long. @throws PinfoldError as `read` */
  write(index: number, at: number, source: Uint8Array): void {
    segments.write(this.table, index, at, source)
  }

  /**
   * Bytes of a packet in one piece, as rte_pktmbuf_read: a view if they lie in one segment, else a copy.
   *
   * @param count Default: all from `from` on
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when the packet has fewer; as `free`
   */
  piece(index: number, from = 0, count?: number): Uint8Array<ArrayBuffer> {
    return segments.piece(this.table, index, from, count)
  }

  /** Compares the bytes of two packets, as Buffer.compare: -1, 0 or 1. @throws PinfoldError as `free` */
  compare(one: number, other: number): number {
    return segments.compare(this.table, one, other)
  }

  /**
   * Puts the segments of `tail` behind those of `head`. From then on `tail` is a segment of `head`.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when they have more than 65,535 segments, or 2^31 bytes, together;
   *   `ERR_PACKET_SHARED` when they are the same packet, or one of them has more than one holder; as `free`
   */
  chain(head: number, tail: number): void {
    chains.chain(this.table, head, tail)
  }

  /**
   * Cuts a packet in two at byte `at`. If that is inside a segment, both packets share its buffer. Returns the packet
   * of the bytes from `at` on, or -1 when no packet was free for the shared segment.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE`, `ERR_PACKET_SHARED` when the packet has more than one holder; as `free`
   */
  split(index: number, at: number): number {
    return chains.split(this.table, index, at)
  }

  /**
   * Copies the bytes of all segments into the first, behind its own, and frees the others.
   *
   * @throws PinfoldError `ERR_PACKET_TAILROOM` when they do not fit, `ERR_PACKET_SHARED` when its buffer is; as `free`
   */
  linearize(index: number): void {
    chains.linearize(this.table, index)
  }

  /**
   * Allocates a packet that shares the buffers of all segments of another, and has the same fields. A write to the
   * bytes of one changes both. Returns its number, or -1 when there are too few packets.
   *
   * @throws PinfoldError `ERR_PACKET_SHARED` when a buffer is shared 32,766 times; as `free`
   */
  clone(index: number): number {
    return chains.clone(this.table, index)
  }

  /**
   * Allocates a packet with a copy of the bytes, in as few segments as they need, and with the fields of the first
   * segment. Returns its number, or -1 when there are too few packets.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE`, also when the bytes need more than 65,535 segments; as `free`
   */
  copy(index: number, from = 0, count?: number): number {
    return chains.copy(this.table, index, from, count)
  }

  /** Adds a holder, who has to free the packet too. @throws PinfoldError `ERR_PACKET_SHARED` above 32,766; as `free` */
  retain(index: number): void {
    references.retain(this.table, index)
  }

  /**
   * Makes a new packet, without data, share the buffer of a segment. The packet gets the segment's data and fields, as
   * they are now. Each can then be cut and prolonged without the other; their bytes are the same. This thread must hold
   * `to` until the call has returned.
   *
   * @param index a packet with one holder, one segment, and its own buffer
   * @throws PinfoldError `ERR_PACKET_SHARED` when it is another; as `free`
   */
  attach(index: number, to: number): void {
    sharing.attach(this.table, 'attach', index, to)
    references.settle(this.table)
  }

  /**
   * Makes a packet use a slice of the region in place of its own buffer. All of the slice is then its data. The call
   * begins as `runReleases` does.
   *
   * @param index as of `attach`
   * @param release called in this thread when no packet uses the slice any more: at once if this thread has freed the
   *   last packet, else by `runReleases`. It may use the packets. If it throws, the call that triggered it rethrows at
   *   its end
   * @throws PinfoldError `ERR_PACKETS_EXHAUSTED` when all slots of external buffers are taken; `ERR_INVALID_ARGUMENT`,
   *   `ERR_OUT_OF_RANGE`; as `attach`
   */
  attachExternal(index: number, memory: RegionMemory, release: () => void): void {
    sharing.attachExternal(this.table, index, memory, release)
  }

  /** Gives a packet its own buffer back, without data. @throws PinfoldError as `attach`; what `release` throws */
  detach(index: number): void {
    sharing.detach(this.table, index)
  }

  /** Calls this thread's release callbacks for buffers that other threads have freed. Returns how many. */
  runReleases(): number {
    return sharing.runReleases(this.table)
  }

  /** Gives this thread's cache to the other threads. Allocated packets stay allocated. A second call does nothing. */
  close(): void {
    if (!this.closed) references.returnOlder(this.table)
    this.pool.close()
    this.#forgetArrays()
    this.#shadow?.close()
    this.#bursts.close()
    this.#release()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [inspect.custom](): string {
    if (this.closed || this.table.views.records.length === 0) return `Packets { of ${this.capacity}, closed }`
    return `Packets { ${this.available} of ${this.capacity} available, ${this.bufferSize} bytes each }`
  }

  // With the function of table.ts in its place, `free` is 3 % slower.
  private isPacket(index: number): boolean {
    return typeof index === 'number' && index >>> 0 === index && index < this.capacity
  }

  /** The table, if it is open. All fast paths lead here when `pairs` is empty, so this is where it is renewed. */
  #current(): PacketTable {
    const { pairs } = viewsNow(this.table)
    // A second store, also of the same value, would take from V8 what it knows of a field that is assigned once.
    if (this.pairs !== pairs) this.pairs = pairs
    return this.table
  }

  #allocateSlowly(index: number): number {
    return references.startRecord(index === -1 ? this.table : this.#current(), index)
  }

  #freeSlowly(index: number): void {
    references.giveUp(this.#current(), index)
  }

  #allocateMore(values: Uint32Array, given: number | undefined, at: number): number {
    const count = countOf('allocateBulk', values, given, at)
    const usable = values === this.target ? undefined : this.#usable(values, count)
    if (usable === undefined) return allocateInto(this.#current(), values, count, at)
    this.target = usable.values
    this.targetAddress = usable.address
    if (usable.values === values) return this.allocateBulk(values, count, at)
    const got = this.allocateBulk(usable.values, count, 0)
    copyNumbers(values, at, usable.values, 0, got)
    return got
  }

  #freeMore(values: Uint32Array, given: number | undefined, at: number): void {
    const count = countOf('freeBulk', values, given, at)
    const usable = values === this.source ? undefined : this.#usable(values, count)
    if (usable === undefined) {
      freeFrom(this.#current(), values, count, at)
      return
    }
    this.source = usable.values
    this.sourceAddress = usable.address
    if (usable.values !== values) copyNumbers(usable.values, 0, values, at, count)
    this.freeBulk(usable.values, count, usable.values === values ? at : 0)
  }

  /** The array or, if WebAssembly cannot use it, another of `count` numbers; undefined if it can use neither. */
  #usable(values: Uint32Array, count: number): Scratch | undefined {
    if (this.records === 0 || this.closed || count > this.pool.magazineSize) return undefined
    const address = this.#arrays.of('packets', values)
    return address === 0 ? this.#bursts.scratch(count) : { values, address }
  }

  #forgetArrays(): void {
    this.target = this.source = noArray
    this.#arrays.forget()
  }
}
