import { inspect } from 'node:util'
import { atomicAdd } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import type { AlignedMemory, RegionMemory } from '../memory/region-memory.js'
import { checkRange } from '../options.js'
import type { BufferPool } from '../pool/buffer-pool.js'
import { noRoom, packetShared, requireUpTo } from './errors.js'
import { type ExternalSlots, externalRange } from './external-buffers.js'
import type { Details, PacketField, PacketFields, PacketFieldType } from './fields.js'
import { mostReferences, mostSegments, oneSharer, type PacketShape, recordWord, usesOther } from './layout.js'
import { Packet } from './packet.js'
import { PacketParts } from './segments.js'

/**
 * Packet buffers, as rte_mbuf: each has a buffer in a pool, and a record beside it that tells where in the buffer its data
 * are, what follows, and how many have it. A packet is a number from 0 to `capacity` - 1, the same in every thread that
 * has the region. Who has a packet may use it; one thread at a time.
 */
export class Packets extends PacketParts {
  readonly #fields: PacketFields
  readonly #externals: ExternalSlots
  readonly #details: Details
  #view: DataView | undefined

  /** Made by `createPackets` and `attachPackets`. */
  constructor(
    range: AlignedMemory,
    shape: PacketShape,
    pool: BufferPool,
    beside: { readonly fields: PacketFields; readonly externals: ExternalSlots },
  ) {
    super(range, shape, pool)
    this.#fields = beside.fields
    this.#externals = beside.externals
    const view = () => this.#detailsNow()
    this.#details = {
      get view() {
        return view()
      },
      of: (index) => (this.recordOf('field', index) >> 3) * shape.details,
    }
  }

  /** Whether it was closed in this thread. */
  get closed(): boolean {
    return this.pool.closed
  }

  /** Packets that are free, in the depot and in the caches of all threads. @throws PinfoldError as `pool.get` */
  get available(): number {
    return this.pool.available
  }

  /**
   * A packet as an object, for comfort. It may be kept and moved to another packet by `at`.
   *
   * @param index of the packet. Default: a new one
   * @throws PinfoldError `ERR_PACKETS_EXHAUSTED` when there is none; as `free`
   */
  packet(index?: number): Packet {
    if (index !== undefined) return new Packet(this, index)
    const made = this.allocate()
    if (made >= 0) return new Packet(this, made)
    throw new PinfoldError(`packet: none of ${this.capacity} packets is free`, {
      code: 'ERR_PACKETS_EXHAUSTED',
      values: { capacity: this.capacity },
    })
  }

  /**
   * A declared field of the packets.
   *
   * @throws PinfoldError `ERR_INVALID_ARGUMENT` when no such field was declared, or one of another type
   */
  field(name: string, type: 'uint64'): PacketField<bigint>
  field(name: string, type: Exclude<PacketFieldType, 'uint64'>): PacketField
  field(name: string, type: PacketFieldType): PacketField | PacketField<bigint> {
    return this.#fields.open(name, type, this.#details)
  }

  /** The private area of a segment: `privateSize` bytes that mean what the program says. @throws PinfoldError as `free` */
  privateOf(index: number): Uint8Array<ArrayBuffer> {
    this.recordOf('privateOf', index)
    const { details, privateSize } = this.shape
    return this.views.details.subarray((index + 1) * details - privateSize, (index + 1) * details)
  }

  /**
   * Makes a new packet, without data, share the buffer of a segment, with its data as they are now, and have the same fields.
   * This thread must have `to`, and keep it until the call has returned. Both can then be cut
   * and prolonged apart; their bytes are the same.
   *
   * @param index a packet that nobody else has, of one segment, with its own buffer
   * @throws PinfoldError `ERR_PACKET_SHARED` when it is not; as `free`
   */
  attach(index: number, to: number): void {
    this.changing(() => this.#attach('attach', index, to))
  }

  /**
   * Makes a packet use a slice of the region in place of its own buffer, all of which is then its data. First it calls what
   * `runReleases` would.
   *
   * @param index as of `attach`
   * @param release called in this thread when no packet uses the slice any more; at once when this thread has freed the
   *   last, else by `runReleases`. It may use the packets; what it throws, the call throws that it was called by, when all
   *   else is done
   * @throws PinfoldError `ERR_PACKETS_EXHAUSTED` when all slots of external buffers are taken; `ERR_INVALID_ARGUMENT`,
   *   `ERR_OUT_OF_RANGE`; as `attach`
   */
  attachExternal(index: number, memory: RegionMemory, release: () => void): void {
    // Whatever runs of the caller's comes first, since it may do anything with the packet.
    this.runReleases()
    const range = externalRange(this.range.core, memory, release)
    this.changing(() => {
      this.#requirePlain('attachExternal', index)
      const slot = this.#externals.claim(this.views.slots, range, release)
      const { records } = this
      const at = index << 3
      records[at + recordWord.buffer] = -1 - slot
      records[at + recordWord.start] = 0
      records[at + recordWord.length] = range.length
      records[at + recordWord.form] = usesOther | 1
    })
  }

  /**
   * Gives a packet of one segment its own buffer back, without data, as it was when it was new.
   *
   * @throws PinfoldError as `attach`; what `release` throws, after that
   */
  detach(index: number): void {
    this.changing(() => {
      const at = this.firstOf('detach', index)
      if (this.segmentsAt(at) !== 1 || this.word(at) !== 1) {
        throw packetShared('detach', index, 'is shared, or has more segments')
      }
      this.requireBuffer('detach', index)
      this.requireRoom(1)
      this.detachBuffer(index)
      this.records[at + recordWord.start] = this.headroom
      this.records[at + recordWord.length] = 0
    })
  }

  /** Calls the release callbacks of this thread for buffers that other threads have freed. Returns how many. */
  runReleases(): number {
    this.recordsNow()
    return this.#externals.run(this.views.slots)
  }

  /**
   * A packet that shares the buffers of all segments of another, with their fields. The bytes are the same; changing them
   * changes both.
   *
   * @returns its number, or -1 when there are too few packets
   * @throws PinfoldError `ERR_PACKET_SHARED` when a buffer is shared 32,766 times; as `free`
   */
  clone(index: number): number {
    return this.changing(() => {
      const segments = this.requireFreeable('clone', index)
      for (const segment of segments) this.dataOf('clone', segment)
      const made = this.allocateSome(segments.length)
      if (made.length === 0) return -1
      this.#orDiscard(made, () => {
        for (const [place, one] of made.entries()) this.#attach('clone', one, segments[place] ?? 0)
      })
      return this.link(made)
    })
  }

  /**
   * Puts the segments of `tail` behind those of `head`; from then on `tail` is a segment of `head`.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when they would be more than 65,535 segments, or 2^31 bytes; `ERR_PACKET_SHARED`
   *   when they are the same packet, or more than one has either; as `free`
   */
  chain(head: number, tail: number): void {
    const first = this.segmentsOf('chain', head)
    const second = this.segmentsOf('chain', tail)
    for (const one of [head, tail]) {
      if (this.holders(one) !== 1) throw packetShared('chain', one, 'is had by more than one')
    }
    if (first.at(-1) === second.at(-1)) throw packetShared('chain', tail, 'cannot follow itself')
    requireUpTo('chain', 'segments', first.length + second.length, mostSegments)
    const total = this.totalAt(head << 3) + this.totalAt(tail << 3)
    requireUpTo('chain', 'length', total, 2 ** 31 - 1)
    const { records } = this
    records[((first.at(-1) ?? head) << 3) + recordWord.next] = tail + 1
    // Of one segment, a packet's words from `next` on have said nothing so far.
    if (second.length === 1) records[(tail << 3) + recordWord.next] = 0
    records[(tail << 3) + recordWord.form] = this.word((tail << 3) + recordWord.form) & usesOther
    const form = this.word((head << 3) + recordWord.form) & usesOther
    records[(head << 3) + recordWord.form] = form | (first.length + second.length)
    records[(head << 3) + recordWord.total] = total
  }

  /**
   * Cuts a packet in two at byte `at`. Where that is inside of a segment, both parts share its buffer.
   *
   * @returns the packet of the bytes from `at` on, or -1 when there was no packet for the shared part
   * @throws PinfoldError `ERR_OUT_OF_RANGE`, `ERR_PACKET_SHARED` when more than one has the packet; as `free`
   */
  split(index: number, at: number): number {
    const segments = this.segmentsOf('split', index)
    requireUpTo('split', 'at', at, this.lengthOf('split', segments))
    if (this.holders(index) !== 1) throw packetShared('split', index, 'is had by more than one')
    let place = 0
    let from = at
    for (; place < segments.length; place++) {
      const length = this.word(((segments[place] ?? 0) << 3) + recordWord.length)
      if (from < length || (from === length && place === segments.length - 1)) break
      from -= length
    }
    // At the start of a later segment nothing has to be shared.
    if (from === 0 && place > 0) {
      const rest = this.link(segments.slice(place))
      this.link(segments.slice(0, place))
      return rest
    }
    const cut = segments[place] ?? index
    const [made] = this.allocateSome(1)
    if (made === undefined) return -1
    this.#orDiscard([made], () => this.#attach('split', made, cut))
    const rest = made << 3
    this.records[rest + recordWord.start] = this.word(rest + recordWord.start) + from
    this.records[rest + recordWord.length] = this.word(rest + recordWord.length) - from
    this.records[(cut << 3) + recordWord.length] = from
    this.link([made, ...segments.slice(place + 1)])
    this.link(segments.slice(0, place + 1))
    return made
  }

  /**
   * Brings the bytes of all segments into the first, behind its own, and frees the others.
   *
   * @throws PinfoldError `ERR_PACKET_TAILROOM` when they do not fit, `ERR_PACKET_SHARED` when others use its buffer; as `free`
   */
  linearize(index: number): void {
    const segments = this.requireFreeable('linearize', index)
    if (segments.length === 1) return
    this.requireRoom(segments.length)
    const total = this.lengthOf('linearize', segments)
    const { offset, length } = this.dataOf('linearize', index)
    if (this.holders(index) !== 1 || this.isSharing(index)) throw packetShared('linearize', index, 'shares its buffer')
    const room = this.roomBehind('linearize', index)
    if (total - length > room) throw noRoom('linearize', index, 'tailroom', total - length, room)
    const target = this.range.core.view(offset, total)
    let at = length
    const rest = segments.slice(1)
    for (const segment of rest) {
      const bytes = this.bytes(segment)
      target.set(bytes, at)
      at += bytes.length
    }
    this.records[(index << 3) + recordWord.length] = total
    this.changing(() => {
      this.link([index])
      for (const segment of rest) this.drop(segment)
    })
  }

  /**
   * A new packet with a copy of the bytes, in as few segments as they need, and of the first segment's fields.
   *
   * @returns its number, or -1 when there are too few packets
   * @throws PinfoldError `ERR_OUT_OF_RANGE`, also when they need more than 65,535 segments; as `free`
   */
  copy(index: number, from = 0, count?: number): number {
    const total = this.lengthOf('copy', this.segmentsOf('copy', index))
    requireUpTo('copy', 'from', from, total)
    const length = count === undefined ? total - from : count
    checkRange('copy', from, length, total)
    const later = this.bufferSize
    const first = later - this.headroom
    const more = length <= first ? 0 : Math.ceil((length - first) / later)
    requireUpTo('copy', 'segments', more + 1, mostSegments)
    const made = this.allocateSome(more + 1)
    if (made.length === 0) return -1
    let left = length
    for (const [place, one] of made.entries()) {
      const piece = Math.min(left, place === 0 ? first : later)
      this.records[(one << 3) + recordWord.start] = place === 0 ? this.headroom : 0
      this.records[(one << 3) + recordWord.length] = piece
      left -= piece
    }
    this.#orDiscard(made, () => this.fill(index, from, made))
    this.#copyFields(made[0] ?? 0, index)
    return this.link(made)
  }

  /** Gives this thread's cache to the others. Packets that are taken stay taken. Once only. */
  close(): void {
    if (!this.closed) this.settleOwed()
    this.pool.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [inspect.custom](): string {
    if (this.closed || this.views.records.length === 0) return `Packets { of ${this.capacity}, closed }`
    return `Packets { ${this.available} of ${this.capacity} available, ${this.bufferSize} bytes each }`
  }

  protected override released(slot: number): void {
    this.#externals.released(this.views.slots, slot)
  }

  #detailsNow(): DataView {
    this.recordsNow()
    if (this.#view?.buffer !== this.views.details.buffer) {
      this.#view = new DataView(this.views.details.buffer, this.views.details.byteOffset, this.views.details.byteLength)
    }
    return this.#view
  }

  #attach(subject: string, index: number, to: number): void {
    this.#requirePlain(subject, index)
    this.recordOf(subject, to)
    if (index === to) throw packetShared(subject, index, 'cannot share its own buffer')
    this.dataOf(subject, to)
    const { records } = this
    const from = to << 3
    const buffer = this.otherBuffer(to)
    if (buffer < 0) this.#externals.share(this.views.slots, this.slotOf(buffer))
    else this.#shareBuffer(subject, buffer === 0 ? to : buffer - 1)
    const at = index << 3
    records[at + recordWord.buffer] = buffer === 0 ? to + 1 : buffer
    records[at + recordWord.start] = this.word(from + recordWord.start)
    records[at + recordWord.length] = this.word(from + recordWord.length)
    records[at + recordWord.form] = usesOther | 1
    this.#copyFields(index, to)
  }

  #copyFields(index: number, from: number): void {
    const { details } = this.shape
    const { bytes } = this.#fields
    if (bytes > 0) this.views.details.copyWithin(index * details, from * details, from * details + bytes)
  }

  /** Does it, or gives up the new packets. */
  #orDiscard(made: readonly number[], work: () => void): void {
    try {
      work()
    } catch (error) {
      this.discard(made)
      throw error
    }
  }

  #shareBuffer(subject: string, owner: number): void {
    if (this.word(owner << 3) >>> 16 >= mostReferences) throw packetShared(subject, owner, 'is shared 32,766 times')
    atomicAdd(this.records, owner << 3, oneSharer)
  }

  #requirePlain(subject: string, index: number): void {
    const at = this.firstOf(subject, index)
    if (this.word(at) === 1 && this.word(at + recordWord.form) === 1) return
    throw packetShared(subject, index, 'is shared, or has more segments, or no buffer of its own')
  }
}
