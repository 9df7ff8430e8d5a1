import * as z from 'zod/mini'
import { later, list, optionsOf, record } from '../options.js'
import type { AddressHandle } from './address-handle.js'
import { type Access, accessOption } from './contract/access-flags.js'
import { address64, whole, word24, word32 } from './contract/number-options.js'
import { sendFlags } from './contract/operations.js'
import type { MemoryWindow } from './memory-window.js'
import { deviceObject } from './object-checks.js'
import { type WorkMemory, workMemory } from './registration-slice.js'
import { isRemoteMemory, isRemoteSlice, type RemoteMemory, type RemoteSlice } from './remote-memory.js'

const requestExpected = 'expected a request with an operation: send, write, read, …'
/** More scatter entries than any device takes for one request. */
const mostEntries = 1024

/** Made on first use: it has many parts, and importing the package must be fast. */
export const sendRequest = later(() => {
  const memory = z.union(
    [workMemory, list(workMemory, { most: mostEntries, expected: 'expected an array of memory' })],
    {
      error: 'expected a Registration, a RegistrationSlice, or an array of them',
    },
  )
  const remote = z.custom<RemoteSlice | RemoteMemory>((value) => isRemoteSlice(value) || isRemoteMemory(value), {
    error: 'expected a RemoteMemory or a RemoteSlice',
  })
  const flags = {
    id: z.optional(whole(0, Number.MAX_SAFE_INTEGER)),
    signaled: z.optional(z.boolean()),
    fence: z.optional(z.boolean()),
  }
  const to = optionsOf<DatagramReceiver>()({
    addressHandle: deviceObject('address handle'),
    queuePair: word24,
    queueKey: word32,
  })
  const message = {
    ...flags,
    memory,
    inline: z.optional(z.boolean()),
    solicited: z.optional(z.boolean()),
    to: z.optional(to),
  }
  const oneSided = { ...flags, memory, remote }
  const request = z.discriminatedUnion(
    'operation',
    [
      z.strictObject({ operation: z.literal('send'), ...message }),
      z.strictObject({ operation: z.literal('sendWithImmediate'), ...message, immediate: word32 }),
      z.strictObject({ operation: z.literal('sendWithInvalidate'), ...message, rkey: word32 }),
      z.strictObject({ operation: z.literal('write'), ...oneSided, inline: z.optional(z.boolean()) }),
      z.strictObject({
        operation: z.literal('writeWithImmediate'),
        ...oneSided,
        inline: z.optional(z.boolean()),
        solicited: z.optional(z.boolean()),
        immediate: word32,
      }),
      z.strictObject({ operation: z.literal('read'), ...oneSided }),
      z.strictObject({ operation: z.literal('compareAndSwap'), ...oneSided, compare: address64, swap: address64 }),
      z.strictObject({ operation: z.literal('fetchAndAdd'), ...oneSided, add: address64 }),
      z.strictObject({
        operation: z.literal('invalidate'),
        ...flags,
        target: z.union([word32, deviceObject('memory window')], {
          error: 'expected a MemoryWindow or an rkey',
        }),
      }),
      z.strictObject({
        operation: z.literal('bind'),
        ...flags,
        window: deviceObject('memory window'),
        memory: z.optional(workMemory),
        access: z.optional(accessOption),
      }),
    ],
    { error: requestExpected },
  )
  return z.pipe(record<z.input<typeof request>>(requestExpected), request)
})

/** Options of every send request. */
export interface RequestFlags {
  /** The id of the completion: a whole number, up to 2^53 - 1. 0 by default. */
  readonly id?: number | undefined
  /** Whether it makes a completion when it succeeds: true by default. A failure always makes one. */
  readonly signaled?: boolean | undefined
  /** It begins only after all reads and atomics before it are done. */
  readonly fence?: boolean | undefined
}

/** The bytes of a message, and how it is sent. */
export interface MessageRequest extends RequestFlags {
  /** The memory of the bytes: gathered from several places in this order. */
  readonly memory: WorkMemory | readonly WorkMemory[]
  /** Copies the bytes while it is posted, so the memory may change at once. Up to the queue pair's `inlineBytes`. */
  readonly inline?: boolean | undefined
  /** Makes an event also for a receiver that waits only for solicited completions. */
  readonly solicited?: boolean | undefined
  /** UD: the receiver. */
  readonly to?: DatagramReceiver | undefined
}

/** The receiver of a datagram. */
export interface DatagramReceiver {
  /** The path to its port. */
  readonly addressHandle: AddressHandle
  /** The number of its queue pair, 24 bits. */
  readonly queuePair: number
  /** The key that its queue pair expects, 32 bits. */
  readonly queueKey: number
}

/** The two places of a request that reads or writes memory of the peer. */
export interface OneSidedRequest extends RequestFlags {
  /** Our memory: gathered from or scattered to several places in this order. */
  readonly memory: WorkMemory | readonly WorkMemory[]
  /** The place in the peer's memory. For a RemoteMemory this is its start. */
  readonly remote: RemoteSlice | RemoteMemory
}

/** A request to a queue pair: `struct ibv_send_wr`. Immediate data and keys are 32-bit numbers, in host order. */
export type SendRequest =
  | ({ readonly operation: 'send' } & MessageRequest)
  | ({ readonly operation: 'sendWithImmediate'; readonly immediate: number } & MessageRequest)
  /** `rkey`: a window of the receiver that this message closes. */
  | ({ readonly operation: 'sendWithInvalidate'; readonly rkey: number } & MessageRequest)
  | ({ readonly operation: 'write'; readonly inline?: boolean | undefined } & OneSidedRequest)
  | ({
      readonly operation: 'writeWithImmediate'
      readonly immediate: number
      readonly inline?: boolean | undefined
      readonly solicited?: boolean | undefined
    } & OneSidedRequest)
  | ({ readonly operation: 'read' } & OneSidedRequest)
  /** 8 bytes on a multiple of 8: swapped if they equal `compare`. The former value is written to `memory`. Host order. */
  | ({ readonly operation: 'compareAndSwap'; readonly compare: bigint; readonly swap: bigint } & OneSidedRequest)
  | ({ readonly operation: 'fetchAndAdd'; readonly add: bigint } & OneSidedRequest)
  /** Closes one of our own windows of type 2, given as the window or by its rkey. */
  | ({ readonly operation: 'invalidate'; readonly target: MemoryWindow | number } & RequestFlags)
  /** Opens a window on a registration. Without `memory` a window of type 1 is closed. */
  | ({
      readonly operation: 'bind'
      readonly window: MemoryWindow
      readonly memory?: WorkMemory | undefined
      readonly access?: readonly Access[] | undefined
    } & RequestFlags)

/** The flags of a request: bits of `sendFlags`. */
export function flagsOf(request: SendRequest): number {
  let flags = 0
  if (request.signaled !== false) flags |= sendFlags.signaled
  if (request.fence === true) flags |= sendFlags.fence
  if ('solicited' in request && request.solicited === true) flags |= sendFlags.solicited
  if ('inline' in request && request.inline === true) flags |= sendFlags.inline
  return flags
}
