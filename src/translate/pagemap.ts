import { pageState } from '../native.js'
import { basePageSize } from '../system/page-sizes.js'

/**
 * The state of a page, as pagemap reports it.
 *
 * - `present`: the page is in memory, and its address was read;
 * - `swapped`: the contents of the page are in swap, or on the way to another page frame;
 * - `hidden`: the page is in memory, but the kernel hides its address, since the process lacks CAP_SYS_ADMIN;
 * - `absent`: there is no page: nothing is mapped there, nothing was written there yet, or the page was given back. A
 *   page of shared memory (a memfd, a file) that was swapped out is absent, too: pagemap reports only pages that the
 *   process maps.
 */
export type PageState = 'present' | 'swapped' | 'hidden' | 'absent'

/** The states of a page whose physical address is not known. */
export type UnknownPageState = Exclude<PageState, 'present'>

/** The number of pages in each state. */
export type PageStates = Readonly<Record<PageState, number>>

// Bits of an entry: Documentation/admin-guide/mm/pagemap.rst, fs/proc/task_mmu.c. An entry is read as two 32-bit words,
// so bit 55 is bit 23 of the high word.
const frameMask = 2 ** 23 - 1
const softDirtyBit = 1 << 23
const exclusiveBit = 1 << 24
const writeProtectedBit = 1 << 25
const guardBit = 1 << 26
const fileOrSharedBit = 1 << 29
const swappedBit = 1 << 30
const presentBit = 1 << 31

/** In the entry of a swapped page, bits 0 to 4 are the swap area. The other bits of the frame are the place in it. */
const swapTypeBits = 5

/** Page frame number in the entry of a present page. 0 means that the number is hidden: frame 0 is never mapped. */
export function frameOf(low: number, high: number): number {
  return (high & frameMask) * 2 ** 32 + low
}

export function stateOf(low: number, high: number): PageState {
  if ((high & presentBit) !== 0) return frameOf(low, high) === 0 ? 'hidden' : 'present'
  // The kernel stores a guard as a swap entry, so the entry of a guard has the swapped bit, too.
  return (high & (swappedBit | guardBit)) === swappedBit ? 'swapped' : 'absent'
}

/** The state that a `pageState` stands for. */
export function unknownStateOf(code: number): UnknownPageState {
  if (code === pageState.swapped) return 'swapped'
  return code === pageState.hidden ? 'hidden' : 'absent'
}

/** Physical address of a page, or its `pageState`. */
export function placeOfEntry(low: number, high: number): number {
  const state = stateOf(low, high)
  return state === 'present' ? frameOf(low, high) * basePageSize : pageState[state]
}

/** The place of a swapped page, in the kernel's own numbers. */
export interface SwapPlace {
  /** The swap area, by its line in /proc/swaps from 0 on. For a migrating or poisoned page, it is another number. */
  readonly area: number
  /** The slot in that area, in base pages. */
  readonly slot: number
}

/** Undefined if the page is not swapped, or if the kernel hides the place, as it hides page frame numbers. */
export function swapPlaceOf(low: number, high: number): SwapPlace | undefined {
  const place = frameOf(low, high)
  if (place === 0 || stateOf(low, high) !== 'swapped') return undefined
  return { area: place % 2 ** swapTypeBits, slot: Math.floor(place / 2 ** swapTypeBits) }
}

/**
 * The flags of one pagemap entry, decoded on request. The kernel's version and configuration decide which flags it
 * keeps; a flag that it does not keep reads false.
 */
export class PagemapFlags {
  readonly #high: number

  /** @param high the upper 32 bits of the entry */
  constructor(high: number) {
    this.#high = high | 0
  }

  /** The page belongs to a file, or to shared anonymous memory such as a memfd (bit 61; Linux 3.5). */
  get fileOrShared(): boolean {
    return (this.#high & fileOrSharedBit) !== 0
  }

  /** No other process, and no other place in this one, maps the page (bit 56; Linux 4.2). */
  get exclusivelyMapped(): boolean {
    return (this.#high & exclusiveBit) !== 0
  }

  /** The page was written since `4` was last written to /proc/<pid>/clear_refs (bit 55; CONFIG_MEM_SOFT_DIRTY). */
  get softDirty(): boolean {
    return (this.#high & softDirtyBit) !== 0
  }

  /** The page is write-protected by userfaultfd, to which a write is reported first (bit 57; Linux 5.13). */
  get writeProtected(): boolean {
    return (this.#high & writeProtectedBit) !== 0
  }

  /** A guard of madvise(MADV_GUARD_INSTALL): there is no page, and any access is a SIGSEGV (bit 58; Linux 6.15). */
  get guard(): boolean {
    return (this.#high & guardBit) !== 0
  }
}
