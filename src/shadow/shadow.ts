import { isSystemFailure } from '../errors.js'
import type { RegionCore } from '../memory/region-core.js'
import { type MemoryRange, viewIn } from '../memory/region-memory.js'
import { native } from '../native.js'
import { type WasmCalls, wasmInstance } from './webassembly.js'

/** Pages of a region that are mapped in this thread's WebAssembly memory. */
interface MappedPages {
  readonly core: RegionCore
  /** Bytes [from, to) of the region. */
  readonly from: number
  readonly to: number
  /** Where they start in the memory. */
  readonly at: number
  /** Shadows that use them. */
  uses: number
}

/** Where an ArrayBuffer lies in a region. */
interface Place {
  readonly core: RegionCore
  readonly offset: number
}

/** Something that remembers addresses. */
export interface Addressing {
  /** Called when pages are about to leave the memory: no address that `addressOf` has returned is valid any more. */
  forgetAddresses(): void
}

const mapped = new Set<MappedPages>()
const places = new WeakMap<ArrayBufferLike, Place>()
const addressing = new Set<Addressing>()
/** The regions that tell us when they close. */
const known = new WeakSet<RegionCore>()

/**
 * A range of a region, in this thread's WebAssembly memory: its pages are mapped there a second time. Code in TypeScript
 * uses the region's ArrayBuffer, code in WebAssembly uses this, and both see the same bytes.
 */
export class Shadow {
  /** The address of the first byte; never 0. */
  readonly address: number
  readonly calls: WasmCalls
  readonly #pages: MappedPages
  readonly #user: Addressing | undefined
  #closed = false

  private constructor(address: number, calls: WasmCalls, pages: MappedPages, user: Addressing | undefined) {
    this.address = address
    this.calls = calls
    this.#pages = pages
    this.#user = user
    pages.uses += 1
    if (user !== undefined) addressing.add(user)
  }

  /**
   * Maps the first `length` bytes of the range. Undefined if that is not possible: there is no WebAssembly, its memory
   * is full, or the region's memory cannot be mapped twice (anonymous memory; hugepages before Linux 5.16).
   *
   * @param user told when addresses become invalid, until `close`
   */
  static of(range: MemoryRange, length: number, user?: Addressing): Shadow | undefined {
    const instance = wasmInstance()
    if (instance === undefined) return undefined
    // First, since it may throw: pages that were mapped would have no owner then.
    const { buffer, byteOffset } = viewIn(range, 0, length)
    const pages = pagesOf(range, length)
    if (pages === undefined) return undefined
    places.set(buffer, { core: range.core, offset: range.offset - byteOffset })
    return new Shadow(pages.at + range.offset - pages.from, instance.calls, pages, user)
  }

  /** Takes the pages out of the memory, unless another Shadow uses them. The address is invalid from now on. */
  close(): void {
    // Set first, so that a call that the end of the stack cuts off does not count twice: other Shadows may use the pages.
    if (this.#closed) return
    this.#closed = true
    if (this.#user !== undefined) addressing.delete(this.#user)
    const pages = this.#pages
    pages.uses -= 1
    if (pages.uses === 0) retire(pages)
  }
}

function retireAllOf(core: RegionCore): void {
  for (const pages of mapped) if (pages.core === core) retire(pages)
}

/** Takes pages out of the memory, once only. */
function retire(pages: MappedPages): void {
  if (!mapped.delete(pages)) return
  for (const user of addressing) user.forgetAddresses()
  // If the kernel refuses, the addresses stay in use, and nobody uses them.
  if (native.retireShadow(pages.at)) wasmInstance()?.space.give(pages.at, pages.to - pages.from)
}

/**
 * The address of byte `byteOffset` of a buffer in this thread's WebAssembly memory; 0 if not all of the `length` bytes
 * from there on lie in the memory.
 */
export function addressOf(buffer: ArrayBufferLike, byteOffset: number, length: number): number {
  const place = places.get(buffer)
  if (place === undefined) return 0
  const from = place.offset + byteOffset
  const to = from + length
  for (const pages of mapped) {
    if (pages.core === place.core && pages.from <= from && to <= pages.to) return pages.at + from - pages.from
  }
  return 0
}

/** The pages of the range, mapped now or earlier. */
function pagesOf({ core, offset }: MemoryRange, length: number): MappedPages | undefined {
  const { pageSize } = core
  const from = Math.floor(offset / pageSize) * pageSize
  const to = Math.min(core.size, Math.ceil((offset + length) / pageSize) * pageSize)
  for (const pages of mapped) if (pages.core === core && pages.from <= from && to <= pages.to) return pages
  const space = wasmInstance()?.space
  const at = space?.take(to - from, pageSize)
  if (space === undefined || at === undefined) return undefined
  try {
    core.mapShadow(from, to - from, at)
  } catch (error) {
    space.give(at, to - from)
    if (isSystemFailure(error)) return undefined
    throw error
  }
  const made = { core, from, to, at, uses: 0 }
  mapped.add(made)
  // The pages leave with their region, whoever has forgotten to close a Shadow.
  if (!known.has(core)) core.onClose(() => retireAllOf(core))
  known.add(core)
  return made
}
