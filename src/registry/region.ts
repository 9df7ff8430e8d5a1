import { inspect } from 'node:util'
import * as z from 'zod/mini'
import { formatAddress } from '../addresses.js'
import { disposeBy } from '../disposal.js'
import { beginWait } from '../memory/held-wait.js'
import { Hold } from '../memory/hold.js'
import { readPageNodes } from '../memory/page-nodes.js'
import type { PassedOver, RegionCore } from '../memory/region-core.js'
import { attachCore, handleOf, type RegionHandle } from '../memory/region-handle.js'
import { type RegionUse, readRegionUse } from '../memory/region-inspection.js'
import { partOf, RegionMemory } from '../memory/region-memory.js'
import { checked, later, optionsObject, signalOption } from '../options.js'
import { formatSize } from '../sizes.js'
import { memoryNodes } from '../system/numa.js'
import type { PagesName } from '../system/page-sizes.js'
import { type MemoryMap, mapProcess } from '../translate/memory-map/memory-map.js'
import {
  type AbortOptions,
  type RangeOptions,
  type Translation,
  translateRegion,
  translateRegionAsync,
} from '../translate/translation.js'
import { Slice } from './slice.js'

const holdReason = later(() => z.string().check(z.minLength(1), z.maxLength(200)))
const waitOptions = later(() => optionsObject({ signal: z.optional(signalOption) }))

/** True for every Region. Runs no code of the value; a Proxy, or an object with the same prototype, is none. */
export let isRegion: (value: unknown) => value is Region

/**
 * Memory that devices can use: whole pages, all present, never forked, with their contents kept out of core dumps
 * unless `dump`.
 *
 * A Region belongs to the thread that allocated or attached it. The pages go back to the kernel when the last thread
 * has closed its Region or died.
 */
export class Region extends RegionMemory {
  /** All objects of this thread for this region share it. Private, so that no program changes it. */
  readonly #core: RegionCore
  #nodes: readonly number[] | undefined

  static {
    isRegion = (value): value is Region => typeof value === 'object' && value !== null && #core in value
  }

  constructor(core: RegionCore) {
    super({ core, offset: 0, length: core.size })
    this.#core = core
  }

  /**
   * The name that was given when the region was allocated. /proc/self/maps shows a memfd region (the default) as
   * `/memfd:pinfold:<name>`, and one in a file by the file's path. An anonymous one is `[anon:pinfold:<name>]` only
   * where the kernel names it (Linux 5.17 with CONFIG_ANON_VMA_NAME, at most 79 bytes: prctl(2), PR_SET_VMA_ANON_NAME).
   */
  get name(): string {
    return this.#core.name
  }

  /** Bytes: the requested size, rounded up to whole pages. */
  get size(): number {
    return this.#core.size
  }

  /** The kind of its pages: a hugetlb size ('2MiB'), 'transparent' or 'base'. */
  get pages(): PagesName {
    return this.#core.pages
  }

  /** Bytes of the smallest page that can be in it: for a transparent region, of the base page; see `hugeShare`. */
  get pageSize(): number {
    return this.#core.pageSize
  }

  /** The kinds of pages that came earlier in the caller's list, and the reason why the region has other pages. */
  get passedOver(): readonly PassedOver[] {
    return this.#core.passedOver
  }

  /** True after the region was closed in this thread. */
  get closed(): boolean {
    return this.#core.closed
  }

  /**
   * The NUMA nodes of its pages, ascending. They are read at the first call, unless the machine has only one node with
   * memory. Pages may move later: `inspect().nodes` reads the nodes again.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_SYSTEM`
   */
  get nodes(): readonly number[] {
    this.#core.requireOpen('nodes')
    this.#nodes ??= this.#readNodes()
    return this.#nodes
  }

  /**
   * The share of its bytes that is on huge pages now, 0 to 1, as the kernel counts it: 1 for hugetlb pages, 0 for
   * base pages, any share for transparent ones.
   *
   * @throws PinfoldError as `inspect`
   */
  get hugeShare(): number {
    this.#core.requireOpen('hugeShare')
    const { transparent, hugetlbShared, hugetlbPrivate } = this.inspect()
    return (transparent + hugetlbShared + hugetlbPrivate) / this.size
  }

  /**
   * All bytes of a region of up to 4 GiB, always on the same ArrayBuffer. The length is 0 after `close()`.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_REGION_TOO_LARGE` (use `view`), `ERR_EXTERNAL_BUFFERS`, `ERR_SYSTEM`
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    this.#core.requireOpen('bytes')
    return this.#core.bytes()
  }

  /**
   * A range of `length` bytes that starts at `offset`; without a length it runs to the end of the region.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_OUT_OF_RANGE`
   */
  slice(offset: number, length?: number): Slice {
    return new Slice(this, partOf(this, offset, length))
  }

  /**
   * Keeps the region open for work that is under way: until the hold is released, `close()` in this thread is refused.
   *
   * @param reason the holder and its purpose, for the error that `close()` throws; up to 200 characters
   * @throws PinfoldError `ERR_REGION_CLOSED` (also while `closeWhenReleased` waits), `ERR_INVALID_ARGUMENT`
   */
  hold(reason = 'a hold without a reason'): Hold {
    checked('hold', holdReason, reason)
    return new Hold(reason, this.#core.hold(reason, this.hold))
  }

  /**
   * The kernel's counters of the region now: resident, huge and locked bytes, page sizes, and bytes on each NUMA node.
   * Its cost depends on the region alone, while all of its memory is present (Linux 6.11). Otherwise, and for the
   * `flags`, the kernel looks at all memory of the process, which costs milliseconds if it is large. The `flags` are read
   * when you first ask for them: do so while the region is open.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`; `ERR_PERMISSION`, `ERR_DESCRIPTORS_SHORT`, `ERR_SYSTEM` where /proc/self
   * cannot be read
   */
  inspect(): RegionUse {
    this.#core.requireOpen('inspect')
    return readRegionUse(this.#core)
  }

  /**
   * The physical addresses of its pages, read now, or of the pages that a part of it touches. A snapshot: `verify()`
   * finds the pages that have moved since. A page whose address is not known (swapped, or hidden without CAP_SYS_ADMIN)
   * is an error only at the call that asks for it. It takes about 40 ns for each page; for many, see `translateAsync`.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`; `ERR_OUT_OF_RANGE` when `within` is empty or not in the region;
   * `ERR_INVALID_ARGUMENT`; `ERR_PERMISSION`, `ERR_SYSTEM` where /proc/self/pagemap cannot be read
   */
  translate(options: RangeOptions = {}): Translation {
    this.#core.requireOpen('translate')
    return translateRegion(this.#core, options)
  }

  /**
   * As `translate`, in slices of 5 ms, so that the event loop turns meanwhile. Translations have `runsAsync` and
   * `verifyAsync`.
   *
   * @throws as `translate`, `ERR_REGION_CLOSED` also when the region is closed meanwhile; the signal's reason
   */
  async translateAsync(options: RangeOptions & AbortOptions = {}): Promise<Translation> {
    this.#core.requireOpen('translateAsync')
    return translateRegionAsync(this.#core, options)
  }

  /**
   * Where its pages lie, read now: physical runs with their NUMA nodes and kinds of pages, entries of page tables by
   * page size, how fragmented it is, and the page tables that map it. For people and diagnostics; `translate()` is much
   * faster. Without CAP_SYS_ADMIN there are no runs.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`; `ERR_OUT_OF_RANGE` for more than 2^20 runs; `ERR_PERMISSION`,
   * `ERR_SYSTEM` where /proc/self cannot be read
   */
  map(): MemoryMap {
    this.#core.requireOpen('map')
    return mapProcess(process.pid, { address: this.#core.address, length: this.size })
  }

  /**
   * A small structured-cloneable value; another thread of this process makes its own Region of it by `attachRegion`.
   * It keeps nothing alive: the region must still be open somewhere when it is attached.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`
   */
  get handle(): RegionHandle {
    return handleOf(this.#core)
  }

  /**
   * Closes the region in this thread: its views have length 0 from now on. When no other thread has the region open,
   * the pages go back to the kernel at once; a job on the threadpool, or another holder of its bytes, then reads zeros.
   * A second call does nothing. Stop every device that still knows its addresses before: the device would write into
   * memory that belongs to another owner by then.
   *
   * @throws PinfoldError `ERR_REGION_HELD` that names the holders; nothing is changed then
   */
  close(): void {
    this.#core.close()
  }

  /**
   * As `close()`, but the pages go back to the kernel on another thread, which takes a second for gigabytes of small
   * pages. The region is closed in this thread when the call returns. The promise resolves when the pages are the
   * kernel's again. If another thread has the region open, they stay with that thread, and nothing is waited for but the
   * pages of other regions that this thread has just closed. Until then they count against the budget. A second
   * call changes nothing, and waits for the same.
   *
   * @throws PinfoldError `ERR_REGION_HELD` that names the holders; nothing is changed then
   */
  async closeAsync(): Promise<void> {
    await this.#core.closeAsync()
  }

  /**
   * Waits until every hold is released, then closes the region as `closeAsync()` does. New holds are refused meanwhile.
   * The process stays alive while it waits; after one second a process warning (code 'PINFOLD_HELD') names the holders
   * once, with the stack of each hold.
   *
   * @throws the signal's reason when it is aborted first (the region stays open), PinfoldError `ERR_INVALID_ARGUMENT`
   */
  async closeWhenReleased(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = checked('closeWhenReleased', waitOptions, options)
    const giveHolds = this.#core.refuseHolds()
    const { holds } = this.#core
    const endWait = beginWait(() => ({
      message: this.#core.heldMessage,
      holders: holds.each('all'),
      count: holds.count('all'),
    }))
    try {
      await holds.released(signal, 'all')
    } finally {
      endWait()
      giveHolds()
    }
    await this.#core.closeAsync()
  }

  /**
   * Closes it at the end of a `using` block.
   *
   * @throws PinfoldError `ERR_REGION_HELD` that names the holders; it stays open then
   */
  [Symbol.dispose](): void {
    disposeBy(() => this.close())
  }

  /**
   * As `using` does, by `closeAsync()`. It waits for no hold, since a block that ends by an error may never release it.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await disposeBy(() => this.#core.closeAsync())
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

  #readNodes(): readonly number[] {
    const all = memoryNodes()
    if (all.length === 1) return all
    return [...readPageNodes(this.#core).keys()].sort((one, other) => one - other)
  }
}

/**
 * Makes this thread's own Region on the memory that `handle` names, which another thread of this process has open.
 * Close it like any other Region: the memory lives until the last thread has closed its own or died.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` when it is no handle, `ERR_REGION_UNKNOWN` when it belongs to
 *   another process, or its region is closed in every thread
 */
export function attachRegion(handle: RegionHandle): Region {
  return new Region(attachCore(handle))
}
