import type { PhysicalAddress } from '../addresses.js'
import { type UnknownPageState, unknownStateOf } from './pagemap.js'

/** Where a page was, or why that is not known. */
export type PagePlace = PhysicalAddress | UnknownPageState

/**
 * A stretch of pages that are not where they were. Neighbours that moved together, or that share a state, are one:
 * `from` and `to` are then the first page's.
 */
export interface Move {
  /** Where the stretch starts in the region, in bytes. */
  readonly offset: number
  /** Bytes, whole pages. */
  readonly length: number
  readonly from: PagePlace
  readonly to: PagePlace
}

/** What reading the pages again has shown. */
export interface Verification {
  /** Whether every page is where the translation says, and as unknown as it says. */
  readonly intact: boolean
  /** What moved, in order of offset; empty when intact. */
  readonly moves: readonly Move[]
  /** How many pages that is. */
  readonly movedPages: number
}

/** Collects moves page by page, in order, and joins those that are one. */
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
