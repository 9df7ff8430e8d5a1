import { inspect } from 'node:util'
import * as z from 'zod'
import { formatAddress } from '../addresses.js'
import { checked, checkRange, optionsObject } from '../options.js'
import { formatSize } from '../sizes.js'
import { address64, whole, word32 } from './contract/number-options.js'

const expectedAddress = "expected a 64-bit address, as a bigint or in hex such as '0x7f0000000000'"
const hexAddress = z.string().regex(/^0x[0-9a-f]{1,16}$/i)

const remoteMemorySchema = z.lazy(() =>
  optionsObject({
    address: z.union([hexAddress.transform(BigInt), address64], { error: expectedAddress }),
    length: whole(0, Number.MAX_SAFE_INTEGER),
    rkey: word32,
    generation: whole(0, Number.MAX_SAFE_INTEGER).default(0),
  }),
)

/**
 * What a peer needs to reach registered memory, and no more: plain data for JSON. A peer that is not pinfold gives what it
 * has; `parseRemoteMemory` also takes its address as a bigint, and fills in the `generation`.
 *
 * - `address`: IOVA of the first byte, in hex ('0x7f…'), since JSON has no 64-bit numbers.
 * - `length`: bytes.
 * - `rkey`: the key, 32 bits. Whoever has it, and a queue pair in the same domain, has the access that it gives.
 * - `generation`: counts the registrations of the process that made it, from 1, so that two of the same place can be told
 *   apart; 0 of a peer that does not count.
 */
export interface RemoteMemoryDescription {
  readonly address: string
  readonly length: number
  readonly rkey: number
  readonly generation: number
}

/** Memory of a peer, as it was described: where a one-sided request goes. Immutable. */
export class RemoteMemory {
  /** IOVA of the first byte. */
  readonly address: bigint
  /** Bytes. */
  readonly length: number
  readonly generation: number
  /** @internal The address again, in halves: requests are written in 32-bit words. */
  readonly low: number
  /** @internal */
  readonly high: number
  readonly #rkey: number

  constructor(address: bigint, length: number, rkey: number, generation: number) {
    this.address = address
    this.length = length
    this.generation = generation
    this.low = Number(address & 0xffff_ffffn)
    this.high = Number(address >> 32n)
    this.#rkey = rkey
  }

  /** Shown by no log and no inspection. */
  get rkey(): number {
    return this.#rkey
  }

  /**
   * A range of it.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE`
   */
  slice(offset: number, length: number): RemoteSlice {
    checkRange('slice', offset, length, this.length)
    return new RemoteSlice(this, offset, length)
  }

  [inspect.custom](): string {
    return `RemoteMemory { ${formatSize(this.length)} at ${formatAddress(this.address)} }`
  }
}

/** A range of a peer's memory, checked to lie in it. */
export class RemoteSlice {
  readonly memory: RemoteMemory
  /** From the start of the memory, in bytes. */
  readonly offset: number
  /** Bytes. */
  readonly length: number

  /** Made by `slice()`, which has checked the range. */
  constructor(memory: RemoteMemory, offset: number, length: number) {
    this.memory = memory
    this.offset = offset
    this.length = length
  }

  /** A range of this range. @throws PinfoldError `ERR_OUT_OF_RANGE` */
  slice(offset: number, length: number): RemoteSlice {
    checkRange('slice', offset, length, this.length)
    return new RemoteSlice(this.memory, this.offset + offset, length)
  }
}

/** As `instanceof`; a Proxy whose trap throws is none. */
export function isRemoteMemory(value: unknown): value is RemoteMemory {
  try {
    return value instanceof RemoteMemory
  } catch {
    return false
  }
}

/** As `isRemoteMemory`. */
export function isRemoteSlice(value: unknown): value is RemoteSlice {
  try {
    return value instanceof RemoteSlice
  } catch {
    return false
  }
}

/**
 * The memory that a peer has described, checked since it comes from outside.
 *
 * @param description what `describe()` gave there, after JSON or postMessage, or what another program has told
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function parseRemoteMemory(description: unknown): RemoteMemory {
  const { address, length, rkey, generation } = checked('parseRemoteMemory', remoteMemorySchema, description)
  return new RemoteMemory(address, length, rkey, generation)
}

/** Plain data for a peer; an inspection or log of it does not show the key. */
export function describeMemory(
  address: bigint,
  length: number,
  rkey: number,
  generation: number,
): RemoteMemoryDescription {
  const description = { address: formatAddress(address), length, rkey, generation }
  Object.defineProperty(description, inspect.custom, {
    value: () => ({ address: description.address, length, rkey: '(hidden)', generation }),
  })
  return description
}
