import { pageKind } from '../../native.js'
import type { CheckedRegionOptions } from '../region-options.js'
import type { PageChoice } from './page-choice.js'
import type { Placement } from './placement.js'

/** One attempt to make a region: with one kind of pages, of all that the caller accepts. */
export interface Attempt {
  /** Bytes of the region: whole pages. */
  readonly size: number
  readonly choice: PageChoice
  readonly placement: Placement
  readonly options: CheckedRegionOptions
}

/** How many pages the attempt takes, of `choice.bytes` each. */
export function pageCount({ size, choice }: Attempt): number {
  return size / choice.bytes
}

/** True if the pages are to be locked (mlock). The kernel never swaps hugetlb pages, so that these need no lock. */
export function isLocked({ choice, options }: Attempt): boolean {
  return options.lock === true && choice.kind !== pageKind.hugetlb
}
