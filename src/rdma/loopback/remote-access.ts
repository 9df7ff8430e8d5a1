import { accessFlags } from '../contract/access-flags.js'
import { loopbackVendorErrors as why } from '../contract/loopback-vendor-errors.js'
import type { QueuePairEndpoint, Window } from './records.js'
import type { Segments } from './segments.js'
import { wire } from './wire.js'

const { remoteWrite, remoteRead, remoteAtomic } = accessFlags.byName

/**
 * Checks whether a request to `target` may use the bytes that it names, as a device does: by key, domain, rights and
 * range. (A request without bytes needs no key: IBTA 9.7.4.1.5; Soft-RoCE does the same.)
 *
 * @param access the right that the request needs
 * @param segments receives the bytes
 * @returns 0, or the vendor error of the check that failed
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
  // Exact for every offset that can be in range. An inexact offset is always out of range.
  const offset = (high - keyed.high) * 2 ** 32 + (low - keyed.low)
  if (!(offset >= 0 && offset + length <= keyed.length)) return why.outOfRange
  const start = keyed.isWindow ? keyed.offset + offset : offset
  if (start + length > memory.length) return why.outOfRange
  return memory.addTo(segments, start, length) ? 0 : why.regionClosed
}

function mayUse(window: Window, target: QueuePairEndpoint): boolean {
  return window.type === 1 || window.queuePair === target
}

/** The right that a request needs, both of the memory and of the queue pair that receives it. */
export const rightOf = { write: remoteWrite, read: remoteRead, atomic: remoteAtomic } as const
