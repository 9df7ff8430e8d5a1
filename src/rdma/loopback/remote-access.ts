import { accessFlags } from '../contract/access-flags.js'
import { loopbackVendorErrors as why } from '../contract/loopback-vendor-errors.js'
import type { QueuePairEndpoint, Window } from './records.js'
import type { Segments } from './segments.js'
import { wire } from './wire.js'

const { remoteWrite, remoteRead, remoteAtomic } = accessFlags.byName

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
): number {
  segments.clear()
  if (length === 0) return 0
  const keyed = wire.byKey(rkey)
  if (keyed === undefined) return why.unknownKey
  if (keyed.domain !== target.domain) return why.otherDomain
  const memory = keyed.isWindow ? keyed.memory : keyed
  if (memory === undefined || (keyed.isWindow && !mayUse(keyed, target))) return why.windowNotBound
  if ((keyed.access & access) === 0) return why.missingRight
  // Exact as long as it can be in range; else so far off that it is out of it.
  const offset = (high - keyed.high) * 2 ** 32 + (low - keyed.low)
  if (!(offset >= 0 && offset + length <= keyed.length)) return why.outOfRange
  const start = keyed.isWindow ? keyed.offset + offset : offset
  if (start + length > memory.length) return why.outOfRange
  return memory.addTo(segments, start, length) ? 0 : why.regionClosed
}

function mayUse(window: Window, target: QueuePairEndpoint): boolean {
  return window.type === 1 || window.queuePair === target
}

/** The right that a request needs, of memory and of the queue pair that it comes to. */
export const rightOf = { write: remoteWrite, read: remoteRead, atomic: remoteAtomic } as const
