/**
 * Random whole numbers from 0 to below `below` (at most 2^32). The same seed gives the same numbers: xorshift32
 * (Marsaglia, "Xorshift RNGs", 2003). This file is JavaScript, since the workers of tests are.
 *
 * @param {number} seed
 * @returns {(below: number) => number}
 */
export function randomNumbers(seed) {
  let state = seed | 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return Math.floor(((state >>> 0) / 2 ** 32) * below)
  }
}
