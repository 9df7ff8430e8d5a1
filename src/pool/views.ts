import { type MemoryRange, viewIn } from '../memory/region-memory.js'
import { magazineWord, type PoolShape, placesOf, spansAt } from './layout.js'

/** The views of a pool that a thread works on; all on one ArrayBuffer. */
export interface PoolViews {
  readonly words: Int32Array
  /** The words from the third on: a magazine's numbers start in it at the place where its count stands in `words`. */
  readonly spans: Uint32Array
  /** The same as `spans`, two in an element (arrays/pairs.ts). */
  readonly pairs: Float64Array
  /** With tracking, a byte for each element: the thread that has taken it. */
  readonly states: Uint8Array
}

/** @throws PinfoldError as `region.view` */
export function poolViews(range: MemoryRange, shape: PoolShape): PoolViews {
  const { states, end } = placesOf(shape)
  const { buffer, byteOffset } = viewIn(range, 0, end)
  return {
    words: new Int32Array(buffer, byteOffset, states / 4),
    spans: new Uint32Array(buffer, byteOffset + spansAt, states / 4 + magazineWord.count),
    pairs: new Float64Array(buffer, byteOffset + spansAt, (states / 4 + magazineWord.count) / 2),
    states: new Uint8Array(buffer, byteOffset + states, end - states),
  }
}
