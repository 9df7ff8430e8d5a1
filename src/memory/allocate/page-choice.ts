import { PinfoldError } from '../../errors.js'
import { pageKind } from '../../native.js'
import { formatSize, parseSize } from '../../sizes.js'
import { basePageSize, hugetlbPageSizes, type PagesName, transparentPageSize } from '../../system/page-sizes.js'
import type { CheckedRegionOptions } from '../region-options.js'
import { adoptedPages, adoptionOf, fileOf } from './backing.js'

/** One kind of pages that a region may get. */
export interface PageChoice {
  readonly pages: PagesName
  /** A `pageKind` of native.ts. */
  readonly kind: number
  /** What the mapping is aligned to in bytes: its hugetlb page, the huge page aimed at, or the base page. */
  readonly alignment: number
  /** The smallest page that can be there, in bytes: transparent memory may be base pages in part. */
  readonly pageSize: number
}

/** The caller's preferences in order, or the best that this machine can give for this size. */
export function preferences(options: CheckedRegionOptions): PagesName[] {
  const { pages, size } = options
  if (pages !== undefined) return typeof pages === 'string' ? [pages] : [...pages]
  const adoption = adoptionOf(options)
  if (adoption !== undefined) return [adoptedPages(adoption)]
  const hugetlb = hugetlbPageSizes()
    .filter((pageSize) => size % pageSize === 0)
    .map(formatSize)
  if (fileOf(options) !== undefined) return hugetlb.length > 0 ? hugetlb : hugetlbPageSizes().map(formatSize)
  const huge = transparentPageSize()
  return [...hugetlb, ...(huge !== undefined && size >= huge ? ['transparent'] : []), 'base']
}

/**
 * What a preference means on this machine.
 *
 * @throws PinfoldError `ERR_UNSUPPORTED` when it has no such pages, or they cannot back a file; `ERR_INVALID_ARGUMENT`
 *   when adopted memory is to begin inside of such a page
 */
export function pageChoice(pages: PagesName, options: CheckedRegionOptions): PageChoice {
  const choice = choiceOf(pages, fileOf(options) !== undefined)
  const { offset = 0 } = adoptionOf(options) ?? {}
  if (offset % choice.alignment === 0) return choice
  throw new PinfoldError(
    `allocate: backing.offset: expected a multiple of ${formatSize(choice.alignment)}, received ${offset}`,
    { code: 'ERR_INVALID_ARGUMENT', values: { offset, pageSize: choice.alignment } },
  )
}

function choiceOf(pages: PagesName, isFile: boolean): PageChoice {
  // The size of the base page is a name for it, as in a budget: no kernel has hugetlb pages of that size.
  const isBase = pages === 'base' || (pages !== 'transparent' && parseSize(pages) === basePageSize)
  if (isBase || pages === 'transparent') {
    if (isFile) throw unsupported(`a file on a hugetlbfs mount has hugetlb pages, not ${pages} ones`, { pages })
    if (isBase) return { pages: 'base', kind: pageKind.base, alignment: basePageSize, pageSize: basePageSize }
    const huge = transparentPageSize()
    if (huge === undefined) throw unsupported('this kernel has no transparent huge pages', { pages })
    return { pages, kind: pageKind.transparent, alignment: huge, pageSize: basePageSize }
  }
  const pageSize = parseSize(pages)
  const sizes = hugetlbPageSizes()
  if (!sizes.includes(pageSize)) {
    const has = sizes.length === 0 ? 'none' : `those of ${sizes.map(formatSize).join(' and ')}`
    throw unsupported(`this machine has no hugetlb pages of ${formatSize(pageSize)}, it has ${has}`, { pages, sizes })
  }
  return { pages: formatSize(pageSize), kind: pageKind.hugetlb, alignment: pageSize, pageSize }
}

function unsupported(message: string, values: Record<string, unknown>): PinfoldError {
  return new PinfoldError(message, { code: 'ERR_UNSUPPORTED', values })
}
