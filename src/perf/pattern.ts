import type { Validation } from './report.js'

// With --validate, each message has bytes that follow from its number, so that a message which is missing, twice, late or
// damaged differs.

/** Writes the bytes of message `number` of a queue pair. */
export function writePattern(bytes: Uint8Array, offset: number, length: number, lane: number, number: number): void {
  const seed = seedOf(lane, number)
  for (let index = 0; index < length; index++) bytes[offset + index] = byteAt(seed, index)
}

/** The first place where the bytes differ from those of message `number`; -1 if they do not. */
export function firstDifference(
  bytes: Uint8Array,
  offset: number,
  length: number,
  lane: number,
  number: number,
): number {
  const seed = seedOf(lane, number)
  for (let index = 0; index < length; index++) if (bytes[offset + index] !== byteAt(seed, index)) return index
  return -1
}

function seedOf(lane: number, number: number): number {
  return (Math.imul(number % 2 ** 31, 0x9e3779b1) + Math.imul(lane + 1, 0x85ebca6b)) >>> 0
}

/** Every byte differs from that of the neighbours and of the messages before and after. */
function byteAt(seed: number, index: number): number {
  const mixed = Math.imul((seed + Math.imul(index + 1, 0x27d4eb2f)) ^ (seed >>> 15), 0x2c1b3c6d)
  return (mixed ^ (mixed >>> 13)) & 0xff
}

/** Counts compared messages. */
export class Comparison {
  #messages = 0
  #differences = 0
  #first: string | null = null

  /** Compares a message of `length` bytes at `offset`. */
  message(bytes: Uint8Array, offset: number, length: number, lane: number, number: number): void {
    this.#messages += 1
    const at = firstDifference(bytes, offset, length, lane, number)
    if (at >= 0) this.#differ(`message ${number} of queue pair ${lane} differs from byte ${at} of ${length} on`)
  }

  /** Compares a number that atomics have counted. */
  counter(found: bigint, expected: bigint, lane: number): void {
    this.#messages += Number(expected)
    if (found !== expected) this.#differ(`the counter of queue pair ${lane} is ${found}, and should be ${expected}`)
  }

  get result(): Validation {
    return { messages: this.#messages, differences: this.#differences, first: this.#first }
  }

  #differ(what: string): void {
    this.#differences += 1
    this.#first ??= what
  }
}
