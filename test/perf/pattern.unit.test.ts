import { describe, expect, test } from 'vitest'
import { Comparison, writePattern } from '../../src/perf/pattern.js'

const bytes = 64
const lane = 2

/** Memory with message `number` at offset 8. */
function memoryWith(number: number): Uint8Array {
  const memory = new Uint8Array(bytes + 16)
  writePattern(memory, 8, bytes, lane, number)
  return memory
}

function compared(memory: Uint8Array, number: number, length = bytes) {
  const comparison = new Comparison()
  comparison.message(memory, 8, length, lane, number)
  return comparison.result
}

describe('a comparison of messages', () => {
  test('finds no difference in a message that arrived', () => {
    expect(compared(memoryWith(7), 7)).toEqual({ messages: 1, differences: 0, first: null })
  })

  test.each(Array.from({ length: bytes }, (_, at) => at))('finds a single bit that differs in byte %i', (at) => {
    const memory = memoryWith(7)
    memory[8 + at] = (memory[8 + at] ?? 0) ^ 1
    const first = `message 7 of queue pair ${lane} differs from byte ${at} of ${bytes} on`
    expect(compared(memory, 7)).toEqual({ messages: 1, differences: 1, first })
  })

  test.each([
    ['the message before it', memoryWith(6)],
    ['the message a whole round of slots before it', memoryWith(7 + 128)],
    ['nothing', new Uint8Array(bytes + 16)],
  ])('finds %s in its place', (_, memory) => {
    expect(compared(memory, 7).differences).toBe(1)
  })

  test('finds the message of another queue pair', () => {
    const memory = new Uint8Array(bytes + 16)
    writePattern(memory, 8, bytes, lane + 1, 7)
    expect(compared(memory, 7).differences).toBe(1)
  })

  test('finds an atomic that is missing', () => {
    const comparison = new Comparison()
    comparison.counter(99n, 100n, lane)
    expect(comparison.result).toEqual({
      messages: 100,
      differences: 1,
      first: `the counter of queue pair ${lane} is 99, and should be 100`,
    })
  })
})
