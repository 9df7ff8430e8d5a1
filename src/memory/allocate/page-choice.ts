import { PinfoldError } from '../../errors.js'
import { pageKind } from '../../native.js'
import { formatSize } from '../../sizes.js'
import { hugetlbPageSizes, transparentPageSize } from '../../system/page-sizes.js'
import { basePages, hugetlbPages, type PagesKind, transparentPages } from '../page-kinds.js'
import type { CheckedRegionOptions } from '../region-options.js'
import { adoptedPages, adoptionOf, fileOf } from './backing.js'

/** A kind of pages that this machine has, for one region. */
export interface PageChoice extends PagesKind {
  /** The mapping starts at a multiple of this, in bytes: its hugetlb page, the huge page aimed at, or the base page. */
  readonly alignment: number
}

/** The caller's preferences in order. Without any, the best that this machine can give for this size. */
export function preferences(options: CheckedRegionOptions): readonly PagesKind[] {
  const { pages, size } = options
  if (pages !== undefined) return pages
  const adoption = adoptionOf(options)
  if (adoption !== undefined) return [adoptedPages(adoption)]
  const sizes = hugetlbPageSizes()
  const dividing = sizes.filter((pageSize) => size % pageSize === 0)
  if (fileOf(options) !== undefined) return (dividing.length > 0 ? dividing : sizes).map((bytes) => hugetlbPages(bytes))
  const huge = transparentPageSize()
  return [
    ...dividing.map((bytes) => hugetlbPages(bytes)),
    ...(huge !== undefined && size >= huge ? [transparentPages] : []),
    basePages,
  ]
}

/**
 * How this machine gives a kind of pages.
 *
 * @throws PinfoldError `ERR_UNSUPPORTED` when the machine has no such pages, or they cannot back a file;
 *   `ERR_INVALID_ARGUMENT` when adopted memory would begin inside such a page
 */
export function pageChoice(pages: PagesKind, options: CheckedRegionOptions): PageChoice {
  const alignment = alignmentOf(pages, fileOf(options) !== undefined)
  const { offset = 0 } = adoptionOf(options) ?? {}
  const { kind, name, bytes, asked } = pages
  if (offset % alignment === 0) return { kind, name, bytes, asked, alignment }
  throw new PinfoldError(
    `allocate: backing.offset: expected a multiple of ${formatSize(alignment)}, received ${offset}`,
    { code: 'ERR_INVALID_ARGUMENT', values: { offset, pageSize: alignment } },
  )
}

function alignmentOf({ kind, bytes, asked: pages }: PagesKind, isFile: boolean): number {
  if (isFile && kind !== pageKind.hugetlb) {
    throw unsupported(`a file on a hugetlbfs mount has hugetlb pages, not ${pages} ones`, { pages })
  }
  if (kind === pageKind.base) return bytes
  if (kind === pageKind.transparent) {
    const huge = transparentPageSize()
    if (huge === undefined) throw unsupported('this kernel has no transparent huge pages', { pages })
    return huge
  }
  const sizes = hugetlbPageSizes()
  if (!sizes.includes(bytes)) {
    const has = sizes.length === 0 ? 'none' : `those of ${sizes.map(formatSize).join(' and ')}`
    throw unsupported(`this machine has no hugetlb pages of ${formatSize(bytes)}, it has ${has}`, { pages, sizes })
  }
  return bytes
}

function unsupported(message: string, values: Record<string, unknown>): PinfoldError {
  return new PinfoldError(message, { code: 'ERR_UNSUPPORTED', values })
}
