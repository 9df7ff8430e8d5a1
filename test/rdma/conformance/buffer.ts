import type { Access, Region, Registration, RemoteMemory, RemoteMemoryDescription } from './rdma.js'
import { parseRemoteMemory } from './rdma.js'

/** Registered memory of a case: its bytes in this process, and its registration for requests and peers. */
export class Buffer {
  readonly region: Region
  readonly registration: Registration
  /** The bytes from the start of its region on. The registration may be a part of them. */
  readonly bytes: Uint8Array

  constructor(region: Region, registration: Registration, bytes: Uint8Array) {
    this.region = region
    this.registration = registration
    this.bytes = bytes
  }

  /** The remote memory of a peer that got its description as JSON. */
  get remote(): RemoteMemory {
    return parseRemoteMemory(JSON.parse(JSON.stringify(this.registration.describe())))
  }

  /** The remote memory of a peer that got a false description, with more bytes or another key. */
  forged(change: { readonly before?: number; readonly after?: number; readonly rkey?: number }): RemoteMemory {
    const { address, length, rkey, generation } = this.registration.describe()
    const { before = 0, after = 0 } = change
    const forged: RemoteMemoryDescription = {
      address: `0x${(BigInt(address) - BigInt(before)).toString(16)}`,
      length: before + length + after,
      rkey: change.rkey ?? rkey,
      generation,
    }
    return parseRemoteMemory(forged)
  }

  /** Fills every byte with a value that depends on its place and on the seed. */
  fill(seed: number): this {
    for (let index = 0; index < this.bytes.length; index++)
      this.bytes[index] = (index * 31 + (index >> 8) + seed) & 0xff
    return this
  }

  /** A 64-bit number in this machine's byte order, as atomics read it. */
  get(offset: number): bigint {
    return this.#view.getBigUint64(offset, true)
  }

  set(offset: number, value: bigint): void {
    this.#view.setBigUint64(offset, value, true)
  }

  get #view(): DataView {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength)
  }
}

/** All rights that a peer and the device may get. */
export const everyRight: readonly Access[] = ['localWrite', 'remoteWrite', 'remoteRead', 'remoteAtomic', 'bindWindow']
