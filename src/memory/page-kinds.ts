import { pageKind } from '../native.js'
import { formatSize, parseSize } from '../sizes.js'
import { basePageSize, type PagesName } from '../system/page-sizes.js'

/** A kind of pages that a caller may ask for; this machine may not have it. */
export interface PagesKind {
  /** A `pageKind` of native.ts. */
  readonly kind: number
  /** The smallest page that can be in such memory, in bytes: transparent memory may be base pages in part. */
  readonly bytes: number
  /** As `region.pages` names it. */
  readonly name: PagesName
  /** As the caller wrote it: '2048KiB' where the name is '2MiB'. */
  readonly asked: PagesName
}

export const basePages: PagesKind = { kind: pageKind.base, bytes: basePageSize, name: 'base', asked: 'base' }
export const transparentPages: PagesKind = {
  kind: pageKind.transparent,
  bytes: basePageSize,
  name: 'transparent',
  asked: 'transparent',
}

/** Hugetlb pages of a size in bytes. */
export function hugetlbPages(bytes: number, asked: PagesName = formatSize(bytes)): PagesKind {
  return { kind: pageKind.hugetlb, bytes, name: formatSize(bytes), asked }
}

/** The kind of pages that a text names; undefined where it names none. */
export function parsePages(text: string): PagesKind | undefined {
  if (text === 'base') return basePages
  if (text === 'transparent') return transparentPages
  let bytes: number
  try {
    bytes = parseSize(text)
  } catch {
    return undefined // it is no size
  }
  if (!Number.isInteger(Math.log2(bytes))) return undefined
  // The size of the base page is a name for it: no kernel has hugetlb pages of that size.
  return bytes === basePageSize ? { ...basePages, asked: text } : hugetlbPages(bytes, text)
}
