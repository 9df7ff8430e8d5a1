import type { PhysicalAddress } from '../addresses.js'
import { type UnknownPageState, unknownStateOf } from './pagemap.js'

/** The physical address of a page, or the state of a page whose address is not known. */
export type PagePlace = PhysicalAddress | UnknownPageState

/**
 * A stretch of pages that have moved. Neighbours belong to one stretch if their addresses are contiguous, or their
 * states equal, both before and after. `from` and `to` are the places of the first page.
 */
export interface Move {
  /** Start of the stretch in the region, in bytes. */
  readonly offset: number
  /** Bytes of the stretch: whole pages. */
  readonly length: number
  readonly from: PagePlace
  readonly to: PagePlace
}

/** The result of reading the pages again. */
export interface Verification {
  /** Whether every page has the address, or the unknown state, that the translation contains. */
  readonly intact: boolean
  /** The moves, in order of offset; empty when intact. */
  readonly moves: readonly Move[]
  /** The number of pages in all moves. */
  readonly movedPages: number
}

/** Collects moves page by page, in order, and joins those that belong to one stretch. */
export class MoveList {
  readonly moves: Move[] = []
  pages = 0

  /** @param before the page's physical address or its `pageState`; `now` likewise */
  add(offset: number, length: number, before: number, now: number): void {
    this.pages++
    const from = toldPlace(before)
    const to = toldPlace(now)
    const last = this.moves.at(-1)
    const follows =
      last !== undefined &&
      last.offset + last.length === offset &&
      continues(last.from, last.length, from) &&
      continues(last.to, last.length, to)
    if (follows) this.moves[this.moves.length - 1] = { ...last, length: last.length + length }
    else this.moves.push({ offset, length, from, to })
  }
}

function continues(first: PagePlace, length: number, next: PagePlace): boolean {
  return typeof first === 'number' ? first + length === next : first === next
}

function toldPlace(place: number): PagePlace {
  return place >= 0 ? place : unknownStateOf(place)
}
