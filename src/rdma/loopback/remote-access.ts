import { accessFlags } from '../access.js'
import { loopbackVendorErrors as why } from '../vendor-errors.js'
import type { QueuePairEndpoint, Window } from './objects.js'
import { RegisteredMemory } from './registered-memory.js'
import type { Segments } from './segments.js'
import { wire } from './wire.js'

const { remoteWrite, remoteRead, remoteAtomic } = accessFlags.byName

/** What the last check has found out, for what acts on it. */
export interface RemoteRange {
  memory: RegisteredMemory | undefined
  offset: number
}

/**
 * Whether a request that came to `target` may have the bytes that it names, as a device decides it: by key, domain, rights
 * and range. (No byte needs no key: IBTA 9.7.4.1.5; Soft-RoCE does likewise.)
 *
 * @param access the one right that is needed
 * @param segments gets the bytes
 * @returns 0, or the vendor error that says why not
 */
export function reach(
  target: QueuePairEndpoint,
  rkey: number,
  low: number,
  high: number,
  length: number,
  access: number,
  segments: Segments,
  found: RemoteRange,
): number {
  segments.clear()
  found.memory = undefined
  if (length === 0) return 0
  const keyed = wire.byKey(rkey)
  if (keyed === undefined) return why.unknownKey
  const memory = keyed instanceof RegisteredMemory ? keyed : keyed.memory
  if (keyed.domain !== target.domain) return why.otherDomain
  if (memory === undefined) return why.windowNotBound
  if (!(keyed instanceof RegisteredMemory) && !mayUse(keyed, target)) return why.windowNotBound
  if ((keyed.access & access) === 0) return why.missingRight
  // Exact as long as it can be in range; else so far off that it is out of it.
  const offset = (high - keyed.high) * 2 ** 32 + (low - keyed.low)
  if (!(offset >= 0 && offset + length <= keyed.length)) return why.outOfRange
  const start = keyed instanceof RegisteredMemory ? offset : keyed.offset + offset
  if (start + length > memory.length) return why.outOfRange
  if (!memory.addTo(segments, start, length)) return why.regionClosed
  found.memory = memory
  found.offset = start
  return 0
}

function mayUse(window: Window, target: QueuePairEndpoint): boolean {
  return window.type === 1 || window.queuePair === target
}

/** The right that a request needs, of memory and of the queue pair that it comes to. */
export const rightOf = { write: remoteWrite, read: remoteRead, atomic: remoteAtomic } as const
