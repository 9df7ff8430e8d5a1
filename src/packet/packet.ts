import { inspect } from 'node:util'
import { plainBytes } from '../arrays/plain-bytes.js'
import { PinfoldError } from '../errors.js'
import type { Registers } from '../pool/elements.js'
import { describe } from '../sizes.js'
import type { Packets } from './packets.js'
import type { PacketPart } from './segments.js'

/**
 * A packet as an object: the calls of Packets, without the number. The object does not own the packet: `at` moves it to
 * another one, and a packet that is freed is free for all objects that show it.
 */
export class Packet {
  readonly #packets: Packets
  #index: number

  /** Made by `packets.packet()`. */
  constructor(packets: Packets, index: number) {
    packets.length(index)
    this.#packets = packets
    this.#index = index
  }

  get index(): number {
    return this.#index
  }

  /** Moves this object to another packet. @throws PinfoldError as `packets.length` */
  at(index: number): this {
    this.#packets.length(index)
    this.#index = index
    return this
  }

  /** As `packets.length`. All that follows is as the call of the same name of Packets. */
  get length(): number {
    return this.#packets.length(this.#index)
  }

  get segments(): number {
    return this.#packets.segments(this.#index)
  }

  get headroom(): number {
    return this.#packets.headroomOf(this.#index)
  }

  get tailroom(): number {
    return this.#packets.tailroomOf(this.#index)
  }

  get references(): number {
    return this.#packets.references(this.#index)
  }

  /** The bytes of the first segment. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#packets.bytes(this.#index)
  }

  get parts(): PacketPart[] {
    return this.#packets.parts(this.#index)
  }

  /** Puts `data` at the end; returns this. */
  append(data: Uint8Array): this {
    const bytes = plainBytes('append', data)
    const at = this.length
    this.#packets.append(this.#index, bytes.length)
    this.#packets.write(this.#index, at, bytes)
    return this
  }

  /** Puts `data` before the start; returns this. */
  prepend(data: Uint8Array): this {
    const bytes = plainBytes('prepend', data)
    this.#packets.prepend(this.#index, bytes.length)
    this.#packets.write(this.#index, 0, bytes)
    return this
  }

  adj(count: number): this {
    this.#packets.adj(this.#index, count)
    return this
  }

  trim(count: number): this {
    this.#packets.trim(this.#index, count)
    return this
  }

  /** Puts the segments of `tail`, of the same Packets, behind those of this packet. */
  chain(tail: Packet): this {
    const isOurs = typeof tail === 'object' && tail !== null && #packets in tail && tail.#packets === this.#packets
    if (!isOurs) {
      throw new PinfoldError(`chain: expected a Packet of the same Packets, received ${describe(tail)}`, {
        code: 'ERR_INVALID_ARGUMENT',
        values: { received: tail },
      })
    }
    this.#packets.chain(this.#index, tail.#index)
    return this
  }

  linearize(): this {
    this.#packets.linearize(this.#index)
    return this
  }

  /** Undefined when there are too few packets. */
  clone(): Packet | undefined {
    return this.#made(this.#packets.clone(this.#index))
  }

  copy(from?: number, length?: number): Packet | undefined {
    return this.#made(this.#packets.copy(this.#index, from, length))
  }

  split(at: number): Packet | undefined {
    return this.#made(this.#packets.split(this.#index, at))
  }

  scatter<Entry>(registration: Registers<Entry>): Entry[] {
    return this.#packets.scatter(this.#index, registration)
  }

  piece(from?: number, length?: number): Uint8Array<ArrayBuffer> {
    return this.#packets.piece(this.#index, from, length)
  }

  /** A copy of all bytes. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.length)
    this.#packets.read(this.#index, 0, bytes)
    return bytes
  }

  free(): void {
    this.#packets.free(this.#index)
  }

  [inspect.custom](): string {
    return `Packet { ${this.#index} of ${inspect(this.#packets)} }`
  }

  #made(index: number): Packet | undefined {
    return index < 0 ? undefined : new Packet(this.#packets, index)
  }
}
