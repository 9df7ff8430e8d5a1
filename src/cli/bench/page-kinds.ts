import { PinfoldError } from '../../errors.js'
import { borrowHugepages, type HugepageLoan, readPool } from '../../hugepages/index.js'
import type { PassedOver } from '../../memory/region-core.js'
import type { MemoryRegistry } from '../../registry/memory-registry.js'
import type { Region } from '../../registry/region.js'
import { formatSize, GiB, parseSize } from '../../sizes.js'
import { hugetlbPageSizes, type PagesName, transparentPageSize } from '../../system/page-sizes.js'
import { parsePageSize } from '../arguments.js'
import { unclaimed } from '../demo/pages.js'

/**
 * The kinds of pages of this machine, from the smallest to the largest. Hugetlb pages above 1 GiB are measured only if
 * they are named.
 */
export function pageKinds(): PagesName[] {
  const hugetlb = hugetlbPageSizes().filter((size) => size <= GiB)
  const transparent = transparentPageSize() === undefined ? [] : ['transparent']
  return ['base', ...transparent, ...hugetlb.toReversed().map(formatSize)]
}

/** Kinds by name, each once: 'base', 'transparent', and hugetlb sizes as people write them. */
export function parsePageKinds(word: string): PagesName[] {
  const named = word.split(',').map((kind) => {
    if (kind === 'base' || kind === 'transparent') return kind
    return formatSize(parsePageSize(kind, hugetlbPageSizes()))
  })
  return [...new Set(named)]
}

/** A region of one kind of pages, and the pages that were borrowed for it. */
export interface Supplied {
  readonly region: Region
  readonly borrowed: number
}

/** The kinds of pages that were available, and those that were not. */
export interface Supplies {
  readonly supplied: readonly Supplied[]
  readonly passedOver: readonly PassedOver[]
}

/**
 * The regions of a run, which all benchmarks share. No region is closed before the end. Closing a region detaches its
 * arrays. After the first detached array, V8 checks every access, so later figures could not be compared with earlier
 * ones (bursts of a buffer pool took up to twice as long).
 */
export class PageSupply implements Disposable {
  readonly #memory: MemoryRegistry
  readonly #had = new Map<PagesName, Supplied>()
  readonly #loans: HugepageLoan[] = []

  constructor(memory: MemoryRegistry) {
    this.#memory = memory
  }

  /**
   * Returns a region of `size` or more for each kind. Kinds that are not available are passed over, with the error that
   * says why.
   */
  async supply(kinds: readonly PagesName[], size: number): Promise<Supplies> {
    const supplied: Supplied[] = []
    const passedOver: PassedOver[] = []
    for (const pages of kinds) {
      const had = this.#had.get(pages)
      const got = had !== undefined && had.region.size >= size ? had : await this.#allocate(pages, size)
      if ('region' in got) supplied.push(got)
      else passedOver.push(got)
    }
    return { supplied, passedOver }
  }

  async #allocate(pages: PagesName, size: number): Promise<Supplied | PassedOver> {
    const loan = borrow(pages, size)
    const isRefused = loan instanceof PinfoldError
    if (loan !== undefined && !isRefused) this.#loans.push(loan)
    try {
      const region = await this.#memory.allocate(`bench-${pages}-${formatSize(size)}`, { size, pages })
      const supplied = { region, borrowed: isRefused ? 0 : (loan?.pages ?? 0) }
      this.#had.set(pages, supplied)
      return supplied
    } catch (error) {
      if (!(error instanceof PinfoldError)) throw error
      // The loan's error says why the pool could not be made large enough. The allocation's error only says that the
      // pool is too small. It is reported if the loan failed only because this process is not root.
      const isRoot = process.geteuid?.() === 0
      const { code, message: reason, hint } = isRefused && (isRoot || loan.code !== 'ERR_PERMISSION') ? loan : error
      return hint === undefined ? { pages, code, reason } : { pages, code, reason, hint }
    }
  }

  [Symbol.dispose](): void {
    this.#memory.close()
    for (const loan of this.#loans) loan.giveBack()
  }
}

/**
 * Borrows pages if the pool has too few for `size`. It borrows all pages and not only the missing ones, since another
 * process may be about to take the free ones. Returns the error if that is not possible.
 */
function borrow(kind: PagesName, size: number): HugepageLoan | PinfoldError | undefined {
  if (kind === 'base' || kind === 'transparent') return undefined
  const pageSize = parseSize(kind)
  const pages = Math.ceil(size / pageSize)
  try {
    return unclaimed(readPool(pageSize)) >= pages ? undefined : borrowHugepages({ pageSize, pages })
  } catch (error) {
    if (error instanceof PinfoldError) return error
    throw error
  }
}
