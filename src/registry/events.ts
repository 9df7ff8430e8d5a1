import { channel } from 'node:diagnostics_channel'
import { formatAddress, type VirtualAddress } from '../addresses.js'
import { now } from '../builtins.js'
import type { PassedOver, RegionCore } from '../memory/region-core.js'
import { formatSize } from '../sizes.js'
import type { PagesName } from '../system/page-sizes.js'
import type { Region } from './region.js'

/**
 * Names of the channels on `node:diagnostics_channel` that registries publish on. They are stable.
 *
 * Publishing is synchronous, on the thread of the registry. When nobody listens, no message is built.
 */
export const registryChannels = {
  /** A region is there, populated: {@link RegionAllocateMessage}. */
  allocate: 'pinfold:region:allocate',
  /** A region was closed, by itself or with its registry: {@link RegionCloseMessage}. */
  close: 'pinfold:region:close',
  /** A region got other pages than its first preference: {@link RegionFallbackMessage}. */
  fallback: 'pinfold:region:fallback',
  /** A region was collected while it was open: {@link RegionLeakMessage}. */
  leak: 'pinfold:region:leak',
} as const

/** The part of every message that describes its region. */
export interface RegionMessage {
  readonly name: string
  readonly address: VirtualAddress
  /** Bytes. */
  readonly size: number
  /** The kind of its pages: '1GiB', '2MiB', 'transparent' or 'base'. */
  readonly pages: PagesName
  /** Bytes of the smallest page that can be in it. */
  readonly pageSize: number
}

/** Published on 'pinfold:region:allocate'. */
export interface RegionAllocateMessage extends RegionMessage {
  /** NUMA nodes that the pages are on. */
  readonly nodes: readonly number[]
  /** From the call to the populated region, in milliseconds. */
  readonly milliseconds: number
}

/** Published on 'pinfold:region:close'. */
export type RegionCloseMessage = RegionMessage

/** Published on 'pinfold:region:fallback', before the region's 'pinfold:region:allocate'. */
export interface RegionFallbackMessage extends RegionMessage {
  /** The kinds of pages that came first in the caller's list, and why each was passed over. */
  readonly passedOver: readonly PassedOver[]
}

/** Published on 'pinfold:region:leak', once a region. */
export interface RegionLeakMessage extends RegionMessage {
  /** Where it was allocated: the stack of the `allocate`, `allocateSync` or `openRegistry` call. */
  readonly stack: string
}

// Held here, since node:diagnostics_channel keeps a channel without subscribers only weakly.
const allocateChannel = channel(registryChannels.allocate)
const closeChannel = channel(registryChannels.close)
const fallbackChannel = channel(registryChannels.fallback)
const leakChannel = channel(registryChannels.leak)

/** Publishes a new region and the kinds of pages that were passed over for it. `started` is a `now()`. */
export function publishAllocate(region: Region, started: number): void {
  if (region.passedOver.length > 0 && fallbackChannel.hasSubscribers) {
    const message: RegionFallbackMessage = { ...described(region), passedOver: region.passedOver }
    fallbackChannel.publish(message)
  }
  if (allocateChannel.hasSubscribers) {
    const milliseconds = now() - started
    const message: RegionAllocateMessage = { ...described(region), nodes: region.nodes, milliseconds }
    allocateChannel.publish(message)
  }
}

export function publishClose(region: RegionCore): void {
  if (!closeChannel.hasSubscribers) return
  const message: RegionCloseMessage = described(region)
  closeChannel.publish(message)
}

/** Without a subscriber, a leak is a process warning: otherwise no one would ever learn of it. */
export function publishLeak(region: RegionCore, stack: string): void {
  if (leakChannel.hasSubscribers) {
    const message: RegionLeakMessage = { ...described(region), stack }
    leakChannel.publish(message)
    return
  }
  const { name, size, address } = region
  const text = `region '${name}' (${formatSize(size)} at ${formatAddress(address)}) was dropped without being closed`
  process.emitWarning(text, {
    type: 'PinfoldLeakWarning',
    code: 'PINFOLD_LEAK',
    detail: `Keep the Region or close it. It stays open until its registry closes. Allocated\n${stack}`,
  })
}

function described({ name, address, size, pages, pageSize }: RegionMessage): RegionMessage {
  return { name, address, size, pages, pageSize }
}
