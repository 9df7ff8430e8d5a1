import { expect, test } from 'vitest'
import { GrowingWords } from '../../src/heap/growing-words.js'

const pageWords = 16_384

test('words that grow keep what was written, and the new ones are 0', () => {
  const room = new GrowingWords()
  const lengths = [5, 100, 3 * pageWords, 4 * pageWords, 4 * pageWords + 1, 64 * pageWords]
  let had = 0
  for (const length of lengths) {
    const words = room.grow(length)
    expect(words.length).toBeGreaterThanOrEqual(length)
    expect(words.subarray(0, had).every((word, index) => word === index + 1)).toBe(true)
    expect(words.subarray(had).every((word) => word === 0)).toBe(true)
    expect(room.grow(length)).toBe(words)
    had = words.length
    for (let index = 0; index < had; index++) words[index] = index + 1
  }
  room.release()
})

test('words in a WebAssembly memory grow in place', () => {
  const room = new GrowingWords()
  const few = room.grow(4 * pageWords)
  const many = room.grow(2 ** 28)
  few[7] = 3
  expect(many[7]).toBe(3)
  room.release()
  expect(many[7]).toBe(0)
})

test('a length that no array can have is refused, and nothing is changed', () => {
  const room = new GrowingWords()
  const words = room.grow(4 * pageWords)
  words[7] = 3
  expect(() => room.grow(2 ** 50)).toThrow(RangeError)
  expect(room.grow(4 * pageWords)).toBe(words)
  expect(words[7]).toBe(3)
})
