import type { PhysicalAddress } from '../addresses.js'
import { pageState } from '../native.js'
import { type PageState, type PageStates, unknownStateOf } from './pagemap.js'

// A translation stores a displacement for each page: the page's physical address minus the page's offset. So the
// address of any byte takes one addition, and a run is a stretch of equal elements. The element of an unknown page is
// its `pageState`, which is so low that no offset turns it into an address. Native code delivers pages in this form.

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

/** Offsets and physical addresses are below 2^53, so the displacement of a known page is never that low. */
function isUnknown(displacement: number): boolean {
  return displacement <= pageState.absent
}
