import { type PoolShape, placesOf } from './buffer-pool-layout.js'
import type { PoolMemory } from './pool-memory.js'

/** The views of a pool that a thread works on; all on one ArrayBuffer. */
export interface PoolViews {
  readonly words: Int32Array
  /** The same words, two in an element (pair-copy.ts). */
  readonly pairs: Float64Array
  /** The same words, without a sign. */
  readonly spans: Uint32Array
  /** With tracking, who has taken each element. */
  readonly states: Uint8Array
}

/** @throws PinfoldError as `region.view` */
export function poolViews(memory: PoolMemory, shape: PoolShape): PoolViews {
  const { states, end } = placesOf(shape)
  const { buffer, byteOffset } = memory.view(0, end)
  return {
    words: new Int32Array(buffer, byteOffset, states / 4),
    pairs: new Float64Array(buffer, byteOffset, states / 8),
    spans: new Uint32Array(buffer, byteOffset, states / 4),
    states: new Uint8Array(buffer, byteOffset + states, end - states),
  }
}
