import { PinfoldError } from '../../errors.js'
import { pageState } from '../../native.js'
import { basePageSize, transparentPageSize } from '../../system/page-sizes.js'
import type { Mapping } from '../../system/smaps.js'
import type { OpenPagemap, PageStretch } from './open-pagemap.js'

/** What maps a page: a hugetlb page, a transparent huge page that one huge entry maps, or base pages. */
export type MappedPages = 'hugetlb' | 'transparent' | 'base'

/** Pages of one kind that are contiguous, both in the address space and physically. */
export interface Extent {
  /** Virtual address. */
  readonly address: number
  /** Undefined if the kernel hides it. */
  readonly physicalAddress: number | undefined
  /** Bytes: whole pages. */
  readonly length: number
  readonly pages: MappedPages
  /** Bytes of a page. */
  readonly pageSize: number
}

/** The most extents of one map. They take some 100 MiB. */
const mostExtents = 2 ** 20

const pagesAtATime = 2 ** 15

/** Collects the pages of a process in the order of their virtual addresses. */
export class ExtentReader {
  readonly extents: Extent[] = []
  /** Bytes that are swapped out. */
  swapped = 0
  /** False where the kernel did not tell which pages huge entries map, and its counters left a choice. */
  areHugeEntriesKnown = true
  readonly #pagemap: OpenPagemap
  readonly #mayScan: boolean

  /** @param mayScan false to do without PAGEMAP_SCAN, as on a kernel before Linux 6.7 */
  constructor(pagemap: OpenPagemap, mayScan = true) {
    this.#pagemap = pagemap
    this.#mayScan = mayScan
  }

  /**
   * Adds the pages of a mapping that lie in `[start, end)`, also in part.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` for too many extents, `ERR_PROCESS_UNKNOWN`, `ERR_SYSTEM`
   */
  add(mapping: Mapping, start: number, end: number): void {
    const isHugetlb = mapping.flags.includes('ht')
    const pageSize = isHugetlb ? (mapping.fields.get('KernelPageSize') ?? basePageSize) : basePageSize
    const from = Math.max(floor(start, pageSize), Number(mapping.start))
    const to = Math.min(ceil(end, pageSize), Number(mapping.end))
    const stretches = this.#mayScan ? this.#pagemap.stretches(from, to) : undefined
    if (isHugetlb) {
      const found = stretches ?? [{ start: from, end: to, isSwapped: false, isHuge: true }]
      for (const stretch of found) this.#addLarge(stretch, pageSize, 'hugetlb')
      return
    }
    if (stretches === undefined) this.#addGuessed(mapping, from, to)
    else for (const stretch of stretches) this.#addStretch(stretch)
  }

  #addStretch(stretch: PageStretch): void {
    const huge = transparentPageSize()
    if (stretch.isSwapped) this.swapped += stretch.end - stretch.start
    else if (stretch.isHuge && huge !== undefined) this.#addLarge(stretch, huge, 'transparent')
    else this.#addBase(stretch.start, stretch.end)
  }

  /** One entry of pagemap tells the place of a whole large page. */
  #addLarge({ start, end, isSwapped }: PageStretch, pageSize: number, pages: MappedPages): void {
    for (let address = floor(start, pageSize); address < end; address += pageSize) {
      const place = this.#pagemap.places(address, 1)[0] ?? pageState.absent
      if (isSwapped || place === pageState.swapped) this.swapped += pageSize
      else this.#push(address, place, pageSize, pages)
    }
  }

  #addBase(start: number, end: number): void {
    for (let first = start; first < end; first += pagesAtATime * basePageSize) {
      const places = this.#pagemap.places(first, Math.min(pagesAtATime, (end - first) / basePageSize))
      for (const [index, place] of places.entries()) {
        const address = first + index * basePageSize
        if (place === pageState.swapped) this.swapped += basePageSize
        else this.#push(address, place, basePageSize, 'base')
      }
    }
  }

  /**
   * Without PAGEMAP_SCAN: a huge entry can only be where all base pages of a huge page are present, contiguous and
   * aligned. The kernel counts the bytes that huge entries map in each mapping. If there are more such places than
   * that, it remains unknown which of them it are.
   */
  #addGuessed(mapping: Mapping, start: number, end: number): void {
    const huge = transparentPageSize()
    const counted = ['AnonHugePages', 'ShmemPmdMapped', 'FilePmdMapped']
    let left = counted.reduce((sum, name) => sum + (mapping.fields.get(name) ?? 0), 0)
    if (huge === undefined || left === 0) {
      this.#addBase(start, end)
      return
    }
    let isAmbiguous = false
    for (let address = start; address < end; ) {
      const stop = Math.min(ceil(address + 1, huge), Number(mapping.end))
      const isWhole = address % huge === 0 && stop - address === huge
      const isPlace = isWhole && isOnePage(this.#pagemap.places(address, huge / basePageSize), huge)
      if (isPlace && left > 0) {
        this.#addLarge({ start: address, end: stop, isSwapped: false, isHuge: true }, huge, 'transparent')
        left -= huge
      } else {
        isAmbiguous ||= isPlace
        this.#addBase(address, Math.min(stop, end))
      }
      address = stop
    }
    if (isAmbiguous || left > 0) this.areHugeEntriesKnown = false
  }

  #push(address: number, place: number, length: number, pages: MappedPages): void {
    if (place === pageState.absent) return
    const physicalAddress = place >= 0 ? place : undefined
    const last = this.extents.at(-1)
    if (last !== undefined && continues(last, address, physicalAddress, length, pages)) {
      this.extents[this.extents.length - 1] = { ...last, length: last.length + length }
      return
    }
    if (this.extents.length >= mostExtents) {
      throw new PinfoldError(`more than ${mostExtents} runs of pages: ask for a part of the memory, by its address`, {
        code: 'ERR_OUT_OF_RANGE',
        values: { mostExtents, address },
      })
    }
    this.extents.push({ address, physicalAddress, length, pages, pageSize: length })
  }
}

function continues(
  last: Extent,
  address: number,
  physicalAddress: number | undefined,
  pageSize: number,
  pages: MappedPages,
): boolean {
  if (last.pages !== pages || last.pageSize !== pageSize || last.address + last.length !== address) return false
  if (last.physicalAddress === undefined || physicalAddress === undefined) {
    return last.physicalAddress === physicalAddress
  }
  return last.physicalAddress + last.length === physicalAddress
}

function isOnePage(places: Float64Array, size: number): boolean {
  const [first = pageState.absent] = places
  return first >= 0 && first % size === 0 && places.every((place, page) => place === first + page * basePageSize)
}

function floor(address: number, size: number): number {
  return address - (address % size)
}

function ceil(address: number, size: number): number {
  return floor(address + size - 1, size)
}
