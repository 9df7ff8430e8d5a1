import { statfsSync } from 'node:fs'
import { basePages, hugetlbPages, type PagesKind } from '../page-kinds.js'
import type { CheckedRegionOptions } from '../region-options.js'

type Backing = Exclude<NonNullable<CheckedRegionOptions['backing']>, string>
/** A file on a hugetlbfs mount, by its path. */
export type FileBacking = Extract<Backing, { file: string }>
/** Memory of another owner, by a descriptor. */
export type Adoption = Extract<Backing, { descriptor: number }>

const hugetlbfsMagic = 0x958458f6 // linux/magic.h

export function fileOf({ backing }: CheckedRegionOptions): FileBacking | undefined {
  return typeof backing === 'object' && 'file' in backing ? backing : undefined
}

export function adoptionOf({ backing }: CheckedRegionOptions): Adoption | undefined {
  return typeof backing === 'object' && 'descriptor' in backing ? backing : undefined
}

/**
 * The kind of pages that adopted memory has. Native code checks it again when it maps the memory, since the number of a
 * descriptor may stand for another file by then.
 */
export function adoptedPages({ descriptor }: Adoption): PagesKind {
  try {
    const { type, bsize } = statfsSync(`/proc/self/fd/${descriptor}`)
    return type === hugetlbfsMagic ? hugetlbPages(bsize) : basePages
  } catch {
    return basePages // the descriptor is not open: native code says so in its error
  }
}
