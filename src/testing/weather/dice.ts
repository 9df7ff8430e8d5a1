/** The questions that are decided by the dice. Each has its own numbers. */
export const throwOf = { delay: 1, loss: 2, notReady: 3, order: 4, slowRegistration: 5 } as const

/**
 * Random numbers without a state: the answer to a question depends on the seed and on the question alone, never on what
 * was asked before. So one more request of a queue pair changes nothing for another queue pair.
 */
export class Dice {
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = seed
  }

  /** A number in [0, 1). */
  fraction(...question: readonly number[]): number {
    return this.number(...question) / 2 ** 32
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number, ...question: readonly number[]): number {
    return least + (this.number(...question) % (most - least + 1))
  }

  /** 32 bits: the finalizer of MurmurHash3 (public domain), once for each part of the question. */
  number(...question: readonly number[]): number {
    let bits = this.#seed ^ 0x9e37_79b9
    for (const part of question) {
      bits = Math.imul(bits ^ part, 0x85eb_ca6b)
      bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2_ae35)
      bits ^= bits >>> 16
    }
    return bits >>> 0
  }
}
