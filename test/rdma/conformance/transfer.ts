import assert from 'node:assert/strict'
import { Buffer as NodeBuffer } from 'node:buffer'
import type { Buffer } from './buffer.js'
import { everyRight } from './buffer.js'
import type { Kit } from './kit.js'
import type { Access, RegistrationSlice, RemoteMemory, SendRequest } from './rdma.js'

/** The memory of a transfer. Source and target lie at odd offsets, with other bytes around them. */
export interface Transfer {
  readonly from: Buffer
  readonly to: Buffer
  /** The bytes to send, for requests of this side. */
  readonly source: RegistrationSlice
  readonly target: RegistrationSlice
  /** Asserts that exactly these bytes have arrived, and that no byte beside them has changed. */
  arrived(bytes?: number): void
}

const sourceOffset = 3
const targetOffset = 5
const after = 7

/** Makes memory for `size` bytes on both sides. No other byte is registered. */
export function transfer(kit: Kit, size: number, access: readonly Access[] = everyRight): Transfer {
  const length = Math.max(size, 1)
  const from = kit.part(sourceOffset + length + after, sourceOffset, length, access).fill(1)
  const to = kit.part(targetOffset + length + after, targetOffset, length, access).fill(101)
  const before = Uint8Array.from(to.bytes)
  return {
    from,
    to,
    source: from.registration.slice(0, size),
    target: to.registration.slice(0, size),
    arrived: (bytes = size) => {
      const expected = Uint8Array.from(before)
      expected.set(from.bytes.subarray(sourceOffset, sourceOffset + bytes), targetOffset)
      assertBytes(to.bytes, expected)
    },
  }
}

/** As deepEqual, but fast for a megabyte, and with a short message. */
export function assertBytes(seen: Uint8Array, expected: Uint8Array): void {
  assert.equal(seen.length, expected.length, 'the lengths differ')
  if (NodeBuffer.compare(seen, expected) === 0) return
  const at = seen.findIndex((byte, index) => byte !== expected[index])
  assert.fail(`byte ${at} of ${seen.length} is ${seen[at]}, not ${expected[at]}`)
}

/** Sizes around the MTU, with their names in the report. */
export const sizes: readonly { readonly name: string; readonly bytes: (mtu: number) => number }[] = [
  { name: 'no bytes', bytes: () => 0 },
  { name: '1 byte', bytes: () => 1 },
  { name: '13 bytes', bytes: () => 13 },
  { name: 'one byte less than the MTU', bytes: (mtu) => mtu - 1 },
  { name: 'the MTU', bytes: (mtu) => mtu },
  { name: 'one byte more than the MTU', bytes: (mtu) => mtu + 1 },
  { name: '7 MTUs and 3 bytes', bytes: (mtu) => 7 * mtu + 3 },
  { name: '1 MiB', bytes: () => 2 ** 20 },
]

export const oneSided = ['write', 'writeWithImmediate', 'read', 'compareAndSwap', 'fetchAndAdd'] as const
export type OneSidedOperation = (typeof oneSided)[number]

/** A one-sided request without options. */
export function oneSidedRequest(
  operation: OneSidedOperation,
  memory: RegistrationSlice,
  remote: RemoteMemory,
  offset = 0,
): SendRequest {
  const at = { memory, remote: remote.slice(offset, memory.length) }
  switch (operation) {
    case 'writeWithImmediate':
      return { operation, ...at, immediate: 7 }
    case 'compareAndSwap':
      return { operation, ...at, compare: 0n, swap: 1n }
    case 'fetchAndAdd':
      return { operation, ...at, add: 1n }
    default:
      return { operation, ...at }
  }
}
