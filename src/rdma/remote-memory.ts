import { inspect } from 'node:util'
import * as z from 'zod/mini'
import { formatAddress } from '../addresses.js'
import { checked, checkRange, later, optionsObject } from '../options.js'
import { formatSize } from '../sizes.js'
import { address64, whole, word32 } from './contract/number-options.js'

const expectedAddress = "expected a 64-bit address, as a bigint or in hex such as '0x7f0000000000'"
const hexAddress = later(() => z.string().check(z.regex(/^0x[0-9a-f]{1,16}$/i)))

const remoteMemorySchema = later(() =>
  optionsObject({
    address: z.union(
      [
        z.pipe(
          hexAddress,
          z.transform((digits: string) => BigInt(digits)),
        ),
        address64,
      ],
      { error: expectedAddress },
    ),
    length: whole(0, Number.MAX_SAFE_INTEGER),
    rkey: word32,
    generation: z._default(whole(0, Number.MAX_SAFE_INTEGER), 0),
  }),
)

/**
 * The data with which a peer reaches registered memory: plain data for JSON. A peer that is not pinfold gives the data that it
 * has; `parseRemoteMemory` also takes an address as a bigint, and fills in the `generation`.
 *
 * - `address`: IOVA of the first byte, in hex ('0x7f…'), since JSON has no 64-bit numbers.
 * - `length`: bytes.
 * - `rkey`: the key, 32 bits. A peer with this key and a queue pair in the same domain has the access that the key gives.
 * - `generation`: the number of the registration in its process, from 1 on. It tells two registrations of the same place
 *   apart. 0 if the peer does not count.
 */
export interface RemoteMemoryDescription {
  readonly address: string
  readonly length: number
  readonly rkey: number
  readonly generation: number
}

/** Memory of a peer, as the peer described it: the target of one-sided requests. Immutable. */
export class RemoteMemory {
  /** IOVA of the first byte. */
  readonly address: bigint
  /** Bytes. */
  readonly length: number
  readonly generation: number
  /** @internal The two halves of the address: requests are written in 32-bit words. */
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

  /** No log and no inspection shows it. */
  get rkey(): number {
    return this.#rkey
  }

  /**
   * A range of it; without a length, to the end.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE`
   */
  slice(offset: number, length = this.length - offset): RemoteSlice {
    checkRange('slice', offset, length, this.length)
    return new RemoteSlice(this, offset, length)
  }

  [inspect.custom](): string {
    return `RemoteMemory { ${formatSize(this.length)} at ${formatAddress(this.address)} }`
  }
}

/** A range of a peer's memory. It was checked that the range lies in the memory. */
export class RemoteSlice {
  readonly memory: RemoteMemory
  /** From the start of the memory, in bytes. */
  readonly offset: number
  /** Bytes. */
  readonly length: number

  /** Made by `slice()`, which checks the range. */
  constructor(memory: RemoteMemory, offset: number, length: number) {
    this.memory = memory
    this.offset = offset
    this.length = length
  }

  /** A range of this range; without a length, to its end. @throws PinfoldError `ERR_OUT_OF_RANGE` */
  slice(offset: number, length = this.length - offset): RemoteSlice {
    checkRange('slice', offset, length, this.length)
    return new RemoteSlice(this.memory, this.offset + offset, length)
  }
}

/** As `instanceof`; false for a Proxy whose trap throws. */
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
 * The memory that a peer has described. The description comes from outside, so it is checked.
 *
 * @param description the result of `describe()` at the peer, after JSON or postMessage, or data of another program
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function parseRemoteMemory(description: unknown): RemoteMemory {
  const { address, length, rkey, generation } = checked('parseRemoteMemory', remoteMemorySchema, description)
  return new RemoteMemory(address, length, rkey, generation)
}

/** Plain data for a peer. An inspection or log of it does not show the key. */
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
