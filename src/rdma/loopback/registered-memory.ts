import { type RegionCore, windowSize, windowStep } from '../../memory/region-core.js'
import type { MemoryRange } from '../../memory/region-memory.js'
import type { Handle } from '../contract/device-calls.js'
import { nothing } from './copies.js'
import type { Domain } from './records.js'
import type { Segments } from './segments.js'

/** The place of the bytes of a registration. */
export type Storage =
  | { readonly kind: 'region'; readonly range: MemoryRange }
  | {
      readonly kind: 'device'
      readonly bytes: Uint8Array
      readonly offset: number
      /** The device memory, which counts its registrations. */
      readonly owner: { uses: number }
    }
  | { readonly kind: 'null' }

/** A registration as the device knows it, with everything that is checked before a byte is copied. */
export class RegisteredMemory {
  readonly isWindow = false
  handle: Handle = 0
  /** Its lkey and rkey: a new one after each `reregister`. */
  key: number
  domain: Domain
  access: number
  storage: Storage
  length: number
  /** IOVA of the first byte, and its two halves, since requests contain their address in two words. */
  address = 0n
  low = 0
  high = 0
  /** Whether the registration is for the whole address space. Requests reach its memory only through `cover`. */
  readonly isImplicit: boolean
  /** The number of memory windows that are bound to the registration. */
  windows = 0
  #views: (Uint8Array | undefined)[]
  /** The view that contains the whole registration, after its first use; then the registration's start in that view. */
  #view: Uint8Array | undefined
  #viewStart = 0
  #core: RegionCore | undefined

  constructor(
    domain: Domain,
    key: number,
    storage: Storage,
    length: number,
    address: bigint,
    access: number,
    isImplicit = false,
  ) {
    this.domain = domain
    this.key = key
    this.storage = storage
    this.#views = keptViews(storage)
    this.length = length
    this.access = access
    this.isImplicit = isImplicit
    this.#moveTo(address)
  }

  replace(storage: Storage, length: number, address: bigint): void {
    this.storage = storage
    this.#views = keptViews(storage)
    this.#view = undefined
    this.length = length
    this.#moveTo(address)
  }

  #moveTo(address: bigint): void {
    this.address = address
    this.low = Number(address & 0xffff_ffffn)
    this.high = Number(address >> 32n)
  }

  /** The view that contains the whole registration, from `viewStart` on; undefined if it must be looked up. */
  get view(): Uint8Array | undefined {
    const view = this.#view
    return view === undefined || view.length === 0 || this.#core?.closed === true ? undefined : view
  }

  get viewStart(): number {
    return this.#viewStart
  }

  /**
   * Adds a range to `segments`. The caller has checked that the range lies in the registration.
   *
   * @returns false if the bytes cannot be reached: the region was closed, or the runtime refuses the ArrayBuffer
   */
  addTo(segments: Segments, offset: number, length: number): boolean {
    const { view } = this
    if (view === undefined) return this.#lookUp(segments, offset, length)
    segments.add(view, this.#viewStart + offset, length)
    return true
  }

  #lookUp(segments: Segments, offset: number, length: number): boolean {
    const { storage } = this
    if (storage.kind === 'device') {
      segments.add(storage.bytes, storage.offset + offset, length)
      return true
    }
    if (storage.kind === 'null') {
      for (let left = length; left > 0; left -= nothing.length) segments.add(nothing, 0, Math.min(left, nothing.length))
      return true
    }
    const { core, offset: base } = storage.range
    this.#view = undefined
    if (core.closed) return false
    for (let place = base + offset, left = length; left > 0; ) {
      const window = place < windowSize ? 0 : Math.floor(place / windowStep) - 1
      const view = viewOf(core, this.#views, window)
      if (view === undefined) return false
      const start = place - window * windowStep
      const step = Math.min(left, view.length - start)
      if (step <= 0) return false
      segments.add(view, start, step)
      place += step
      left -= step
      this.#keep(view, base - window * windowStep, core)
    }
    return true
  }

  #keep(view: Uint8Array, start: number, core: RegionCore): void {
    if (start < 0 || start + this.length > view.length) return
    this.#view = view
    this.#viewStart = start
    this.#core = core
  }
}

/**
 * A Uint8Array over each window of a region (region-core.ts), shared by all registrations of the region. So two
 * registrations that share bytes use the same object for them.
 */
const viewsOf = new WeakMap<RegionCore, (Uint8Array | undefined)[]>()

function viewOf(core: RegionCore, views: (Uint8Array | undefined)[], window: number): Uint8Array | undefined {
  const kept = views[window]
  if (kept !== undefined && kept.length > 0) return kept
  try {
    const made = new Uint8Array(core.window(window))
    views[window] = made
    return made
  } catch {
    // The runtime refuses the ArrayBuffer. A device does not throw while it works: the request fails instead.
    return undefined
  }
}

function keptViews(storage: Storage): (Uint8Array | undefined)[] {
  if (storage.kind !== 'region') return []
  const { core } = storage.range
  const kept = viewsOf.get(core)
  if (kept !== undefined) return kept
  const views: (Uint8Array | undefined)[] = []
  viewsOf.set(core, views)
  return views
}
