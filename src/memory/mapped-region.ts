import { inspect } from 'node:util'
import * as z from 'zod'
import { formatAddress, type VirtualAddress } from '../addresses.js'
import { disposeBy } from '../disposal.js'
import { PinfoldError } from '../errors.js'
import { native } from '../native.js'
import { checked, checkRange, optionsObject, signalOption } from '../options.js'
import { formatSize } from '../sizes.js'
import { memoryNodes } from '../system/numa.js'
import type { PagesName } from '../system/page-sizes.js'
import { beginWait } from './held-wait.js'
import { Hold } from './hold.js'
import { readPageNodes } from './page-nodes.js'
import { type PassedOver, type RegionCore, windowSize, windowStep } from './region-core.js'
import type { RegionHandle } from './region-handle.js'
import { type RegionUse, readRegionUse } from './region-inspection.js'
import { Slice } from './slice.js'

const holdReason = z.string().min(1).max(200)
const waitOptions = optionsObject({ signal: signalOption.optional() })

/** The core of a region, for the modules of this library. */
export let coreOf: (region: MappedRegion) => RegionCore

/** Whether a value is a region. Neither a Proxy nor an object with the same prototype is one. */
export let isRegion: (value: unknown) => value is MappedRegion

/**
 * Memory that devices can use: whole pages, all present, never forked, with their contents kept out of core dumps
 * unless `dump`.
 *
 * A region belongs to the thread that allocated or attached it. The pages live until the last thread has closed its own
 * or died; only then do they go back to the kernel.
 */
export class MappedRegion {
  /** Shared by all objects of this thread for this region. Private, so that no program changes it. */
  readonly #core: RegionCore
  #nodes: readonly number[] | undefined

  static {
    coreOf = (region) => region.#core
    isRegion = (value): value is MappedRegion => typeof value === 'object' && value !== null && #core in value
  }

  constructor(core: RegionCore) {
    this.#core = core
  }

  /**
   * As given when it was allocated. /proc/self/maps shows a memfd region (the default) as `/memfd:pinfold:<name>`, and
   * one in a file by the file's path. An anonymous one is `[anon:pinfold:<name>]` only where the kernel names it (Linux
   * 5.17 with CONFIG_ANON_VMA_NAME, at most 79 bytes: prctl(2), PR_SET_VMA_ANON_NAME).
   */
  get name(): string {
    return this.#core.name
  }

  /** Virtual address of the first byte, the same in every thread. */
  get address(): VirtualAddress {
    return this.#core.address
  }

  /** Bytes: the size asked for, rounded up to whole pages. */
  get size(): number {
    return this.#core.size
  }

  /** What backs it: a hugetlb size ('2MiB'), 'transparent' or 'base'. */
  get pages(): PagesName {
    return this.#core.pages
  }

  /** Bytes of the smallest page that can be in it: of a transparent region the base page, see `hugeShare`. */
  get pageSize(): number {
    return this.#core.pageSize
  }

  /** The kinds of pages that came first in the caller's list, and why the region has not got them. */
  get passedOver(): readonly PassedOver[] {
    return this.#core.passedOver
  }

  /** Whether it was closed in this thread. */
  get closed(): boolean {
    return this.#core.closed
  }

  /**
   * The NUMA nodes that its pages are on, ascending: read back at the first call, unless the machine has but one node with
   * memory. Pages may move later, which `inspect().nodes` tells.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_SYSTEM`
   */
  get nodes(): readonly number[] {
    this.#core.requireOpen('nodes')
    this.#nodes ??= this.#readNodes()
    return this.#nodes
  }

  /**
   * The part of it that is on huge pages now, 0 to 1, read from /proc/self/smaps: 1 for hugetlb pages, 0 for base pages,
   * anything for transparent ones.
   *
   * @throws PinfoldError as `inspect`
   */
  get hugeShare(): number {
    this.#core.requireOpen('hugeShare')
    const { transparent, hugetlbShared, hugetlbPrivate } = this.inspect()
    return (transparent + hugetlbShared + hugetlbPrivate) / this.size
  }

  /**
   * All of it, for regions of up to 4 GiB; always on the same ArrayBuffer. Its length is 0 after `close()`.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_REGION_TOO_LARGE` (use `view`), `ERR_EXTERNAL_BUFFERS`, `ERR_SYSTEM`
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    this.#core.requireOpen('bytes')
    if (this.size > windowSize) throw this.#tooLarge('bytes', this.size, windowSize)
    return new Uint8Array(this.#core.window(0))
  }

  /**
   * A view of `length` bytes, up to 2 GiB, at `offset`. Views that start in the same 4 GiB window share one ArrayBuffer.
   * Its length is 0 after `close()`.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_OUT_OF_RANGE`, `ERR_REGION_TOO_LARGE`, `ERR_EXTERNAL_BUFFERS`,
   *   `ERR_SYSTEM`
   */
  view(offset: number, length: number): Uint8Array<ArrayBuffer> {
    this.#core.requireOpen('view')
    checkRange('view', offset, length, this.size)
    if (length > windowStep) throw this.#tooLarge('view', length, windowStep)
    const index = offset + length <= windowSize ? 0 : this.#laterWindow(offset)
    return new Uint8Array(this.#core.window(index), offset - index * windowStep, length)
  }

  /**
   * A range of it.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_OUT_OF_RANGE`
   */
  slice(offset: number, length: number): Slice {
    this.#core.requireOpen('slice')
    checkRange('slice', offset, length, this.size)
    return new Slice(this, offset, length)
  }

  /**
   * Keeps it open for work that is under way: until the hold is released, `close()` in this thread is refused.
   *
   * @param reason who holds it and why, named by the error that `close()` throws; up to 200 characters
   * @throws PinfoldError `ERR_REGION_CLOSED` (also while `closeWhenReleased` waits), `ERR_INVALID_ARGUMENT`
   */
  hold(reason = 'a hold without a reason'): Hold {
    checked('hold', holdReason, reason)
    return new Hold(reason, this.#core.hold(reason, this.hold))
  }

  /**
   * What the kernel says of it now: resident, huge and locked bytes, page sizes, and bytes on each NUMA node. It
   * costs milliseconds in a large process.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`; `ERR_PERMISSION`, `ERR_SYSTEM` where /proc/self cannot be read
   */
  inspect(): RegionUse {
    this.#core.requireOpen('inspect')
    return readRegionUse(this.#core.address, this.size)
  }

  /**
   * A small structured-cloneable value; another thread of this process makes its own Region of it by `attachRegion`.
   * It keeps nothing alive: the region must still be open somewhere when it is attached.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`
   */
  get handle(): RegionHandle {
    this.#core.requireOpen('handle')
    return {
      pinfold: 'region',
      process: native.processToken(),
      region: this.#core.id,
      name: this.name,
      size: this.size,
    }
  }

  /**
   * Closes it in this thread: its views have length 0 from now on. When no other thread has it open, the pages go back to
   * the kernel at once; whatever still reaches its bytes (a job on the threadpool, a buffer transferred away) reads zeros.
   * Once only: a second call does nothing. A device that still has its addresses must be stopped before: it would write
   * into memory that is somebody else's by then.
   *
   * @throws PinfoldError `ERR_REGION_HELD` that names the holders; nothing is changed then
   */
  close(): void {
    this.#core.close()
  }

  /**
   * Waits until nobody holds it, then closes it. No new hold is given meanwhile. The process stays alive while it waits;
   * after one second a process warning (code 'PINFOLD_HELD') tells once who is waited for, with the stack of each hold.
   *
   * @throws the signal's reason when it is aborted first (the region stays open), PinfoldError `ERR_INVALID_ARGUMENT`
   */
  async closeWhenReleased(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = checked('closeWhenReleased', waitOptions, options)
    const giveHolds = this.#core.refuseHolds()
    const endWait = beginWait(() => ({ message: this.#core.heldMessage, holders: this.#core.holds() }))
    try {
      await this.#core.released(signal)
    } finally {
      endWait()
      giveHolds()
    }
    this.close()
  }

  /**
   * Closes it at the end of a `using` block.
   *
   * @throws PinfoldError `ERR_REGION_HELD` that names the holders; it stays open then
   */
  [Symbol.dispose](): void {
    disposeBy(() => this.close())
  }

  /** As `using` does: it waits for no hold, since a block that ends by an error may never release it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]()
  }

  /** What a logger's JSON.stringify writes: plain values, the address as a hex string ('0x7f…'). */
  toJSON(): { name: string; pages: PagesName; size: number; pageSize: number; address: string; closed: boolean } {
    const { name, pages, size, pageSize, closed } = this
    return { name, pages, size, pageSize, address: formatAddress(this.address), closed }
  }

  [inspect.custom](): string {
    const state = this.closed ? 'closed' : `at ${formatAddress(this.address)}`
    const kind = this.pages === 'base' || this.pages === 'transparent' ? this.pages : `${this.pages} hugetlb`
    return `Region '${this.name}' { ${formatSize(this.size)} of ${kind} pages, ${state} }`
  }

  /** The window with a view that does not lie in the first. An empty view may start at the very end, where none does. */
  #laterWindow(offset: number): number {
    return Math.min(Math.floor(offset / windowStep), Math.ceil(this.size / windowStep) - 1)
  }

  #readNodes(): readonly number[] {
    const all = memoryNodes()
    if (all.length === 1) return all
    return [...readPageNodes(this.#core).keys()].sort((one, other) => one - other)
  }

  #tooLarge(subject: string, length: number, most: number): PinfoldError {
    return new PinfoldError(
      `${subject}: ${formatSize(length)} of region '${this.name}' are more than one view can show: ${formatSize(most)}`,
      { code: 'ERR_REGION_TOO_LARGE', values: { length, most }, hint: 'region.view(offset, length), up to 2 GiB each' },
    )
  }
}
