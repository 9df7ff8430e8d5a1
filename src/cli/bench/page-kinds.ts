import { PinfoldError } from '../../errors.js'
import { borrowHugepages, type HugepageLoan } from '../../memory/hugepage-loan.js'
import { readPool } from '../../memory/hugepage-pools.js'
import { hugetlbPageSizes, type PagesName, transparentPageSize } from '../../memory/page-sizes.js'
import type { PassedOver } from '../../memory/region-core.js'
import type { MemoryRegistry } from '../../registry/memory-registry.js'
import type { Region } from '../../registry/region.js'
import { formatSize, GiB, parseSize } from '../../sizes.js'
import { parsePageSize } from '../arguments.js'
import { unclaimed } from '../demo/pages.js'

/** The kinds of pages of this machine, from the smallest up. Hugetlb pages of more than 1 GiB only when they are named. */
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

/** The regions of one benchmark, of each kind of pages that can be had now; disposing of it gives all of it back. */
export class PageSupply implements Disposable {
  readonly supplied: readonly Supplied[]
  readonly passedOver: readonly PassedOver[]
  readonly #regions: readonly Region[]
  readonly #loans: readonly HugepageLoan[]

  private constructor(
    supplied: readonly Supplied[],
    passedOver: readonly PassedOver[],
    loans: readonly HugepageLoan[],
  ) {
    this.supplied = supplied
    this.passedOver = passedOver
    this.#regions = supplied.map(({ region }) => region)
    this.#loans = loans
  }

  /** Kinds that cannot be had are passed over, with the error that says why. */
  static async open(
    memory: MemoryRegistry,
    name: string,
    kinds: readonly PagesName[],
    size: number,
  ): Promise<PageSupply> {
    const supplied: Supplied[] = []
    const passedOver: PassedOver[] = []
    const loans: HugepageLoan[] = []
    for (const pages of kinds) {
      const loan = borrow(pages, size)
      if (loan !== undefined && !(loan instanceof PinfoldError)) loans.push(loan)
      try {
        const region = await memory.allocate(`${name}-${pages}`, { size, pages })
        supplied.push({ region, borrowed: loan instanceof PinfoldError ? 0 : (loan?.pages ?? 0) })
      } catch (error) {
        if (!(error instanceof PinfoldError)) throw error
        // Why root could not make the pool large enough says more than that it is too small.
        const isOurs = loan instanceof PinfoldError && loan.code !== 'ERR_PERMISSION'
        const { code, message: reason, hint } = isOurs ? loan : error
        passedOver.push(hint === undefined ? { pages, code, reason } : { pages, code, reason, hint })
      }
    }
    return new PageSupply(supplied, passedOver, loans)
  }

  [Symbol.dispose](): void {
    for (const region of this.#regions) region.close()
    for (const loan of this.#loans) loan.giveBack()
  }
}

/**
 * Makes a pool large enough for `size`, where it is too small: by all of the pages and not only the missing ones, since
 * whoever else looks at the pool now may be about to take the free ones. The error, where that is not possible.
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
