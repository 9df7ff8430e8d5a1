import { inspect } from 'node:util'
import * as z from 'zod/mini'
import { formatAddress } from '../addresses.js'
import { checked, checkRange, later, optionsObject } from '../options.js'
import { formatSize } from '../sizes.js'
import { address64, whole, word32 } from './contract/number-options.js'
import { sendWord } from './contract/work-layout.js'

const expectedAddress = "expected a 64-bit address, as a bigint or in hex such as '0x7f0000000000'"
const hexAddress = later(() => z.string().check(z.regex(/^0x[0-9a-f]{1,16}$/i)))

/** @internal A description that came from outside. */
export const remoteMemorySchema = later(() =>
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

/** Whether a value is a RemoteMemory that this library made. A Proxy of one is not. */
export let isRemoteMemory: (value: unknown) => value is RemoteMemory
/** Whether a value is a RemoteSlice that this library made. */
export let isRemoteSlice: (value: unknown) => value is RemoteSlice

/** Writes the key and the address of a peer's memory into the words of a send request that begins at word `at`. */
export let aim: (remote: RemoteMemory | RemoteSlice, words: Uint32Array, at: number) => void
/** The words of a range that begins at an offset: key, and the low and the high half of the address. */
let targetOf: (memory: RemoteMemory, offset: number) => readonly [key: number, low: number, high: number]

/** Memory of a peer, as the peer described it: the target of one-sided requests. Immutable. */
export class RemoteMemory {
  /** IOVA of the first byte. */
  readonly address: bigint
  /** Bytes. */
  readonly length: number
  readonly generation: number
  readonly #rkey: number
  readonly #low: number
  readonly #high: number
  #whole: RemoteSlice | undefined

  static {
    isRemoteMemory = (value): value is RemoteMemory => typeof value === 'object' && value !== null && #rkey in value
    targetOf = (memory, offset) => {
      const low = memory.#low + (offset % 2 ** 32)
      const high = memory.#high + Math.floor(offset / 2 ** 32)
      return low < 2 ** 32 ? [memory.#rkey, low, high] : [memory.#rkey, low - 2 ** 32, high + 1]
    }
    aim = (remote, words, at) => {
      if (isRemoteSlice(remote)) return writeTarget(remote, words, at)
      remote.#whole ??= new RemoteSlice(remote, 0, remote.length)
      writeTarget(remote.#whole, words, at)
    }
  }

  constructor(address: bigint, length: number, rkey: number, generation: number) {
    this.address = address
    this.length = length
    this.generation = generation
    this.#rkey = rkey
    this.#low = Number(address & 0xffff_ffffn)
    this.#high = Number(address >> 32n)
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

/** As `aim`, for a slice. */
export let writeTarget: (slice: RemoteSlice, words: Uint32Array, at: number) => void

/** A range of a peer's memory. It was checked that the range lies in the memory. */
export class RemoteSlice {
  readonly memory: RemoteMemory
  /** From the start of the memory, in bytes. */
  readonly offset: number
  /** Bytes. */
  readonly length: number
  // The same in the words of a request. They are computed once, since a program uses a slice for many requests, and as
  // signed integers: V8 would box a number above 2^31.
  readonly #key: number
  readonly #low: number
  readonly #high: number

  static {
    isRemoteSlice = (value): value is RemoteSlice => typeof value === 'object' && value !== null && #key in value
    writeTarget = (slice, words, at) => {
      words[at + sendWord.rkey] = slice.#key
      words[at + sendWord.remoteAddress] = slice.#low
      words[at + sendWord.remoteAddress + 1] = slice.#high
    }
  }

  /** Made by `slice()`, which checks the range. */
  constructor(memory: RemoteMemory, offset: number, length: number) {
    this.memory = memory
    this.offset = offset
    this.length = length
    const [key, low, high] = targetOf(memory, offset)
    this.#key = key | 0
    this.#low = low | 0
    this.#high = high | 0
  }

  /** A range of this range; without a length, to its end. @throws PinfoldError `ERR_OUT_OF_RANGE` */
  slice(offset: number, length = this.length - offset): RemoteSlice {
    checkRange('slice', offset, length, this.length)
    return new RemoteSlice(this.memory, this.offset + offset, length)
  }
}

/**
 * The memory that a peer has described. The description comes from outside, so it is checked.
 *
 * @param description the result of `describe()` at the peer, after JSON or postMessage, or data of another program
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function parseRemoteMemory(description: unknown): RemoteMemory {
  return remoteMemoryOf(checked('parseRemoteMemory', remoteMemorySchema, description))
}

/** @internal The memory of a description that was checked. */
export function remoteMemoryOf(description: z.output<typeof remoteMemorySchema>): RemoteMemory {
  const { address, length, rkey, generation } = description
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
