import { statfsSync } from 'node:fs'
import { formatSize } from '../../sizes.js'
import type { PagesName } from '../../system/page-sizes.js'
import type { CheckedRegionOptions } from '../region-options.js'

type Backing = Exclude<NonNullable<CheckedRegionOptions['backing']>, string>
/** A file on a hugetlbfs mount, by its path. */
export type FileBacking = Extract<Backing, { file: string }>
/** Memory of somebody else's, by a descriptor. */
export type Adoption = Extract<Backing, { descriptor: number }>

const hugetlbfsMagic = 0x958458f6 // linux/magic.h

export function fileOf({ backing }: CheckedRegionOptions): FileBacking | undefined {
  return typeof backing === 'object' && 'file' in backing ? backing : undefined
}

export function adoptionOf({ backing }: CheckedRegionOptions): Adoption | undefined {
  return typeof backing === 'object' && 'descriptor' in backing ? backing : undefined
}

/**
 * The pages that adopted memory has, if it is any: native code looks again at what it then maps, since a descriptor may
 * become another between two calls.
 */
export function adoptedPages({ descriptor }: Adoption): PagesName {
  try {
    const { type, bsize } = statfsSync(`/proc/self/fd/${descriptor}`)
    return type === hugetlbfsMagic ? formatSize(bsize) : 'base'
  } catch {
    return 'base' // no descriptor, which native code tells better
  }
}
