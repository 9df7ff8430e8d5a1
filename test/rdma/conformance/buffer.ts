import type { Access, Region, Registration, RemoteMemory, RemoteMemoryDescription } from './rdma.js'
import { parseRemoteMemory } from './rdma.js'

/** Registered memory of a case: its bytes, as this process sees them, and as requests and peers name them. */
export class Buffer {
  readonly region: Region
  readonly registration: Registration
  /** The start of its region, of which the registration may be a part. */
  readonly bytes: Uint8Array

  constructor(region: Region, registration: Registration, bytes: Uint8Array) {
    this.region = region
    this.registration = registration
    this.bytes = bytes
  }

  /** As a peer has it, who got it as JSON. */
  get remote(): RemoteMemory {
    return parseRemoteMemory(JSON.parse(JSON.stringify(this.registration.describe())))
  }

  /** As a peer has it who was told something else: more bytes, another key. */
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

  /** Every byte tells where it is, and of whose buffer. */
  fill(seed: number): this {
    for (let index = 0; index < this.bytes.length; index++)
      this.bytes[index] = (index * 31 + (index >> 8) + seed) & 0xff
    return this
  }

  /** A 64-bit number in this machine's byte order, as atomics change it. */
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

/** All that may be given to a peer, and to the device. */
export const everyRight: readonly Access[] = ['localWrite', 'remoteWrite', 'remoteRead', 'remoteAtomic', 'bindWindow']
