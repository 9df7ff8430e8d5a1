import type { PhysicalAddress } from '../addresses.js'
import { type PageState, type PageStates, unknownStateOf } from './pagemap.js'

// How a translation holds its pages: in place of each page's physical address, that minus the page's offset. Then the
// address of any byte is one addition, and a run is a stretch of equal elements. An unknown page has the code of its
// state (`pageState`, -1 to -3) times 2^60, which no offset below 2^53 makes an address of.

const unknownScale = 2 ** 60

/** Turns addresses and states into displacements, in place, and counts the states. */
export function displace(pages: Float64Array, span: number): PageStates {
  const states: Record<PageState, number> = { present: 0, swapped: 0, hidden: 0, absent: 0 }
  for (let page = 0; page < pages.length; page++) {
    const place = pages[page] ?? Number.NaN
    if (place >= 0) {
      pages[page] = place - page * span
    } else {
      pages[page] = place * unknownScale
      states[unknownStateOf(place)]++
    }
  }
  states.present = pages.length - states.swapped - states.hidden - states.absent
  return states
}

/** Physical address of a page's first byte, or the code of its state. */
export function placeAt(displacements: Float64Array, page: number, span: number): PhysicalAddress | number {
  const displacement = displacements[page] ?? -unknownScale
  const address = displacement + page * span
  return address >= 0 ? address : displacement / unknownScale
}
