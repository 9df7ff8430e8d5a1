import type { PhysicalAddress } from '../addresses.js'
import { pageState } from '../native.js'
import { type PageState, type PageStates, unknownStateOf } from './pagemap.js'

// How a translation holds its pages: in place of each page's physical address, that minus the page's offset. Then the
// address of any byte is one addition, and a run is a stretch of equal elements. In place of an unknown page stands its
// `pageState`, so low that no offset makes an address of it. Native code reads pages in this form.

/** Physical address of the first byte of the page at `offset`, or its `pageState`. */
export function placeOf(displacement: number | undefined, offset: number): PhysicalAddress | number {
  if (displacement === undefined) return pageState.absent
  return isUnknown(displacement) ? displacement : displacement + offset
}

/** Counts the states of pages. */
export function statesOf(displacements: Float64Array): PageStates {
  const states: Record<PageState, number> = { present: 0, swapped: 0, hidden: 0, absent: 0 }
  for (const displacement of displacements) {
    if (isUnknown(displacement)) states[unknownStateOf(displacement)]++
  }
  states.present = displacements.length - states.swapped - states.hidden - states.absent
  return states
}

/** Neither offsets nor physical addresses reach 2^53, so that no displacement of a known page is that low. */
function isUnknown(displacement: number): boolean {
  return displacement <= pageState.absent
}
