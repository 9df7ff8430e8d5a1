import { types } from 'node:util'
import * as z from 'zod/mini'
import { PinfoldError } from '../../errors.js'
import { addIssue, later, optionsOf, text } from '../../options.js'
import { describe } from '../../sizes.js'
import { address64 } from '../contract/number-options.js'

/**
 * The most bytes of private data in each message of the connection manager: rdma_connect(3), rdma_accept(3),
 * rdma_reject(3). A request contains a header of 36 bytes (IBTA A11), which leaves 56 of 92 bytes, or 180 of 216.
 */
export const privateDataLimits = {
  connect: 56,
  accept: 196,
  reject: 148,
  connectDatagrams: 180,
  acceptDatagrams: 136,
} as const

const nothing = new Uint8Array()

/** Private data of a caller. The output is a copy, at least as short as an array of bytes for a message can be. */
export const privateDataOption = later(() =>
  z.pipe(
    z.custom<Uint8Array>(types.isUint8Array, { error: 'expected a Uint8Array' }),
    z.transform((given, context): Uint8Array => {
      if (given.byteLength <= 255) return Uint8Array.from(given)
      addIssue(context, 'expected at most 255 bytes')
      return z.NEVER
    }),
  ),
)

/** Who one side of a connection is. */
export interface ConnectionIdentity {
  /** At most 24 bytes of UTF-8. */
  readonly name: string
  /**
   * 64 bits. A newer instance of the same name has a higher one, for example the time of its start. A side that has seen
   * a higher generation of this name refuses the connection.
   */
  readonly generation: bigint
}

/** The identity that a side tells its peers, and what it expects of them. */
export interface IdentityOptions extends ConnectionIdentity {
  /** The name that the peer must have. Default: any name, or none. */
  readonly peer?: string | undefined
}

const mostNameBytes = 24
const nameOption = later(() =>
  z.string().check(
    z.maxLength(mostNameBytes, { error: `expected at most ${mostNameBytes} bytes`, abort: true }),
    z.minLength(1, { error: 'expected a name', abort: true }),
    z.refine((name) => Buffer.byteLength(name) <= mostNameBytes, { error: `expected at most ${mostNameBytes} bytes` }),
  ),
)
export const identityOption = later(() =>
  optionsOf<IdentityOptions>()({ name: nameOption, generation: address64, peer: z.optional(nameOption) }),
)

/** What a side sends beside its private data, and reads of the other side. */
export interface Greeting {
  readonly identity: ConnectionIdentity
  /** True in a rejection because the identity of the receiver of this message is not accepted. */
  readonly isRefusal: boolean
  readonly data: Uint8Array
}

// A greeting: 'pf', version, kind, generation (8 bytes, the highest first), length of the name, length of the data, the
// name, the data. The lengths tell the data from the zeros that the connection manager appends.
const mark = [0x70, 0x66]
const version = 1
const headerBytes = 14

/**
 * The bytes for a message: `data` alone, or a greeting with it.
 *
 * @throws PinfoldError `ERR_OUT_OF_RANGE` when it is longer than the message can be
 */
export function outgoing(
  subject: string,
  limit: number,
  data: Uint8Array = nothing,
  identity?: ConnectionIdentity,
  isRefusal = false,
): Uint8Array {
  const name = identity === undefined ? nothing : new TextEncoder().encode(identity.name)
  const overhead = identity === undefined ? 0 : headerBytes + name.length
  if (data.length + overhead > limit) {
    const beside = overhead === 0 ? '' : `, beside ${overhead} bytes of the identity`
    throw new PinfoldError(
      `${subject}: privateData: expected at most ${limit - overhead} bytes${beside}, received ${data.length}`,
      { code: 'ERR_OUT_OF_RANGE', values: { length: data.length, limit: limit - overhead } },
    )
  }
  if (identity === undefined) return data
  const bytes = new Uint8Array(overhead + data.length)
  bytes.set([...mark, version, isRefusal ? 1 : 0])
  new DataView(bytes.buffer).setBigUint64(4, identity.generation)
  bytes.set([name.length, data.length], 12)
  bytes.set(name, headerBytes)
  bytes.set(data, overhead)
  return bytes
}

/** The greeting in private data from outside; undefined if there is none of this version, or a damaged one. */
export function readGreeting(bytes: Uint8Array): Greeting | undefined {
  const [first, second, found, kind, , , , , , , , , nameLength = 0, dataLength = 0] = bytes
  if (first !== mark[0] || second !== mark[1] || found !== version || (kind !== 0 && kind !== 1)) return undefined
  const end = headerBytes + nameLength
  if (nameLength === 0 || nameLength > mostNameBytes || bytes.length < end + dataLength) return undefined
  const name = utf8(bytes.subarray(headerBytes, end))
  if (name === undefined) return undefined
  const generation = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(4)
  return { identity: { name, generation }, isRefusal: kind === 1, data: bytes.slice(end, end + dataLength) }
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined // no text: the bytes are no greeting
  }
}

/** The generations that this thread has seen, by name. The oldest names are forgotten. */
const seen = new Map<string, bigint>()
const mostNames = 4096

/** Why a peer is not accepted; undefined if it is. */
export function whyNotPeer(
  peer: ConnectionIdentity | undefined,
  { peer: expected }: IdentityOptions,
): PinfoldError | undefined {
  if (expected !== undefined && peer?.name !== expected) {
    const received = peer === undefined ? 'no identity' : describe(peer.name)
    return identityError(`expected the peer ${describe(expected)}, received ${received}`, {
      expected,
      peer: peer?.name,
    })
  }
  const newest = peer === undefined ? undefined : seen.get(peer.name)
  if (peer === undefined || newest === undefined || peer.generation >= newest) return undefined
  return identityError(`generation ${peer.generation} of ${describe(peer.name)} is old: ${newest} was seen`, {
    name: peer.name,
    generation: peer.generation,
    newest,
  })
}

/** Remembers a peer that was accepted. A newer instance that was seen before stays the newest. */
export function remember(peer: ConnectionIdentity | undefined): void {
  if (peer === undefined) return
  const newest = seen.get(peer.name) ?? 0n
  seen.delete(peer.name)
  seen.set(peer.name, newest > peer.generation ? newest : peer.generation)
  for (const name of seen.keys()) {
    if (seen.size <= mostNames) return
    seen.delete(name)
  }
}

export function identityError(why: string, values: Readonly<Record<string, unknown>>): PinfoldError {
  return new PinfoldError(`the identity is refused: ${why}`, { code: 'ERR_CONNECTION_IDENTITY', values })
}

/** The name of a listener on this machine, for the loopback. */
export const placeName = later(() => text(255).check(z.minLength(1, { error: 'expected a name' })))
