/** Fills memory with numbers that depend on their place and on the seed of the writer. */
export function writePattern(bytes: Uint8Array<ArrayBuffer>, seed: number): void {
  const words = wordsOf(bytes)
  for (let index = 0; index < words.length; index++) words[index] = Math.imul(index ^ seed, 0x9e3779b1)
}

/** The number of 32-bit words that differ from what `writePattern` with the same seed writes. */
export function countDifferences(bytes: Uint8Array<ArrayBuffer>, seed: number): number {
  const words = wordsOf(bytes)
  let differences = 0
  for (let index = 0; index < words.length; index++) {
    if (words[index] !== Math.imul(index ^ seed, 0x9e3779b1) >>> 0) differences++
  }
  return differences
}

function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(buffer, byteOffset, byteLength / Uint32Array.BYTES_PER_ELEMENT)
}
