import { describe, expect, test } from 'vitest'
import { linesAfter, State, Word } from '../../src/heap/block-table.js'
import { firstDamage } from '../../src/heap/integrity.js'
import { SegregatedFit } from '../../src/heap/segregated-fit.js'
import { randomNumbers } from '../support/random.mjs'

/** A heap that begins with blocks of 4, 8, 16, 8 and 4 granules. The second and the fourth are free again. */
function somewhatUsed() {
  const fit = new SegregatedFit(1000, 0, 16)
  const blocks = [4, 8, 16, 8, 4].map((size) => fit.allocate(size, 1))
  const [, second = 0, , fourth = 0] = blocks
  for (const block of [second, fourth]) fit.free(fit.table.words[block + Word.start] ?? -1)
  expect(firstDamage(fit, 0)).toBeUndefined()
  return { fit, blocks, words: fit.table.words }
}

describe('a check finds damage at the first wrong block:', () => {
  type Used = ReturnType<typeof somewhatUsed>
  const cases: [string, number, RegExp, (used: Used, block: (which: number) => number) => void][] = [
    ['a size that is too large', 80, /starts at 64/, ({ words }, block) => set(words, block(0) + Word.size, 5)],
    ['a size of 0', 64, /cannot have 0 bytes/, ({ words }, block) => set(words, block(1) + Word.size, 0)],
    [
      'a size that ends beyond the heap',
      64,
      /cannot have/,
      ({ words }, block) => set(words, block(1) + Word.size, 2000),
    ],
    ['a wrong start', 192, /starts at 176/, ({ words }, block) => set(words, block(2) + Word.start, 11)],
    [
      'a link to a wrong block before',
      192,
      /block before/,
      ({ words }, block) => set(words, block(2) + Word.before, 8),
    ],
    [
      'a missing link to the next block',
      192,
      /end before the heap/,
      ({ words }, block) => set(words, block(1) + Word.after, 0),
    ],
    [
      'a link to a number of no block',
      192,
      /no block's number/,
      ({ words }, block) => set(words, block(1) + Word.after, 7),
    ],
    ['a link beyond the table', 192, /no block's number/, ({ words }, block) => set(words, block(1) + Word.after, 8e6)],
    [
      'a link back to the first block',
      192,
      /starts at 0/,
      ({ words }, block) => set(words, block(1) + Word.after, block(0)),
    ],
    ['an unknown state', 64, /no state/, ({ words }, block) => set(words, block(1) + Word.state, 9)],
    [
      'a live block that is marked as free',
      192,
      /free/,
      ({ words }, block) => set(words, block(2) + Word.state, State.free),
    ],
    [
      'a free block that is marked as live',
      64,
      /index/,
      ({ words }, block) => set(words, block(1) + Word.state, State.live),
    ],
    [
      'slack of more than a granule',
      0,
      /17 of its bytes/,
      ({ words }, block) => set(words, block(0) + Word.slackOrList, 17),
    ],
    ['an index that lacks a live block', 192, /not in its chain/, ({ fit, words }) => fit.index.take(12, words)],
    [
      'an index with a circular chain',
      0,
      /not in its chain/,
      ({ fit: { index }, words }, block) => {
        index.heads.fill(0)
        set(index.heads, index.chainOf(12), block(2))
        set(words, block(2) + Word.next, block(2))
      },
    ],
    ['a free list without its head', 64, /list of its size/, ({ fit }) => set(fit.lists.heads, 8, 0)],
    ['a free list with a wrong link back', 64, /list/, ({ words }, block) => set(words, block(1) + Word.previous, 8)],
    ['a circular free list', 64, /list/, ({ words }, block) => set(words, block(3) + Word.next, block(3))],
    ['lost bits of the free lists', 16000, /bits/, ({ fit }) => set(fit.lists.filled, 0, 0)],
    ['lost levels of the free lists', 16000, /bits/, ({ fit: { lists } }) => Object.assign(lists, { levels: 0 })],
    ['a wrong sum of used granules', 16000, /were counted/, ({ fit }) => void fit.used++],
    ['lost lines of the table', 16000, /lines/, ({ fit }) => void fit.table.spare--],
    ['a wrong count in the index', 16000, /index/, ({ fit }) => void fit.index.count++],
  ]

  test.for(cases)('%s', ([, offset, problem, plant]) => {
    const used = somewhatUsed()
    plant(used, (which) => used.blocks[which] ?? 0)
    expect(firstDamage(used.fit, 0)).toEqual({ offset, problem: expect.stringMatching(problem) })
  })

  function set(words: Int32Array, place: number, value: number): void {
    words[place] = value
  }
})

test('a check ends, whatever the table contains', () => {
  for (let seed = 1; seed < 300; seed++) {
    const { fit, words } = somewhatUsed()
    const random = randomNumbers(seed)
    for (let place = 0; place < words.length; place++) {
      if (random(4) === 0) words[place] = random(200)
    }
    firstDamage(fit, 0)
  }
})

describe('segregated fit', () => {
  test('gives a whole heap as one block, and then nothing', () => {
    const fit = new SegregatedFit(12_345, 0, 1)
    const block = fit.allocate(12_345, 1)
    expect(fit.table.words[block + Word.size]).toBe(12_345)
    expect(fit.allocate(1, 1)).toBe(0)
    expect(fit.free(0)).toBe(true)
    expect(fit.lists.largest()).toBe(12_345)
  })

  test('finds the only block that fits in a list of blocks that may be too small', () => {
    const fit = new SegregatedFit(100_000, 0, 64)
    // Blocks of 1,000 and 1,010 share a list. The live blocks between them keep them from being joined.
    const sizes = [1000, 1, 1010, 1, 1001, 1]
    const starts = sizes.map((size) => fit.table.words[fit.allocate(size, 1) + Word.start] ?? -1)
    fit.allocate(fit.lists.largest(), 1)
    for (const which of [0, 2, 4]) fit.free(starts[which] ?? -1)
    expect(fit.table.words[fit.allocate(1005, 1) + Word.start]).toBe(starts[2])
  })

  test('fills memory of exactly the right size with aligned blocks', () => {
    const fit = new SegregatedFit(8 * 256, 0, 64)
    const starts = Array.from({ length: 8 }, () => fit.table.words[fit.allocate(256, 256) + Word.start])
    expect(starts).toEqual([0, 256, 512, 768, 1024, 1280, 1536, 1792])
  })

  test('aligns the addresses of blocks, not their offsets', () => {
    const fit = new SegregatedFit(1000, 250, 64)
    expect(fit.table.words[fit.allocate(1, 256) + Word.start]).toBe(6)
    expect(fit.table.words[fit.allocate(1, 256) + Word.start]).toBe(262)
    expect(firstDamage(fit, 0)).toBeUndefined()
  })

  test('makes room for more blocks than were expected', () => {
    const fit = new SegregatedFit(100_000, 0, 1)
    const starts = Array.from({ length: 5000 }, () => fit.table.words[fit.allocate(3, 1) + Word.start] ?? -1)
    expect(firstDamage(fit, 0)).toBeUndefined()
    expect(fit.index.count).toBe(5000)
    for (const start of starts) expect(fit.free(start)).toBe(true)
    expect(firstDamage(fit, 0)).toBeUndefined()
    expect(fit.lists.largest()).toBe(100_000)
  })

  test('numbers any count of blocks with 31 bits', () => {
    const numbers = [4, 2 ** 26, 2 ** 27].map((lines) => linesAfter(lines) * Word.perBlock)
    expect(numbers).toEqual([8 * Word.perBlock, 2 ** 27 * Word.perBlock, 2 ** 31 - Word.perBlock])
    expect(() => linesAfter(2 ** 28 - 1)).toThrow(RangeError)
  })

  test('knows the largest of small free blocks by its list, without reading the blocks', () => {
    const { fit, words, blocks } = somewhatUsed()
    fit.allocate(fit.lists.largest(), 1)
    expect(fit.lists.largest()).toBe(8)
    words[(blocks[1] ?? 0) + Word.size] = 9
    expect(fit.lists.largest()).toBe(8)
    expect(new SegregatedFit(0, 0, 1).lists.largest()).toBe(0)
  })

  test('frees nothing where no block starts', () => {
    const fit = new SegregatedFit(1000, 0, 64)
    fit.allocate(10, 1)
    for (const start of [1, 10, 999, 1000, -1, 0.5, 2 ** 32, Number.NaN, Infinity]) expect(fit.free(start)).toBe(false)
    expect(fit.used).toBe(10)
  })

  test('manages 32 GiB of granules', () => {
    const most = 2 ** 31 - 1
    const fit = new SegregatedFit(most, 0, 64)
    fit.allocate(most - 1000, 1)
    const block = fit.allocate(500, 256)
    expect(fit.table.words[block + Word.start]).toBe(Math.ceil((most - 1000) / 256) * 256)
    expect(fit.allocate(most, 1)).toBe(0)
    expect(fit.allocate(2 ** 40, 1)).toBe(0)
    expect(firstDamage(fit, 0)).toBeUndefined()
  })
})

describe('the index of live blocks', () => {
  // There are two chains for each block. With random starts, a search would look at 1.25 blocks on average.
  test.each([1, 3, 4, 16, 64, 96, 256, 1000, 4096, 131_072])('spreads blocks of %d granules evenly', (size) => {
    const blocks = Math.min(16_384, Math.floor((2 ** 31 - 1) / size))
    const fit = new SegregatedFit(2 ** 31 - 1, 0, blocks)
    for (let block = 1; block < blocks; block++) fit.allocate(size, 1)
    const { words } = fit.table
    let looks = 0
    for (const head of fit.index.heads) {
      let length = 0
      for (let block = head; block !== 0; block = words[block + Word.next] ?? 0) looks += ++length
    }
    expect(looks / (blocks - 1)).toBeLessThan(1.5)
  })
})

describe('fragmentation is bounded: a heap with random blocks of', () => {
  test.each([
    ['16 bytes to 1 KiB', 6, 0.9],
    ['16 bytes to 16 KiB', 10, 0.9],
    ['16 bytes to 256 KiB', 14, 0.8],
  ])('%s is at least 80 percent full when an allocation fails', (_, powers, least) => {
    const size = 2 ** 18 // 4 MiB
    const random = randomNumbers(88172645)
    const anySize = () => {
      const smallest = 1 << random(powers)
      return smallest + random(smallest)
    }
    const shares: number[] = []
    for (let round = 0; round < 5; round++) {
      const fit = new SegregatedFit(size, 0, 64)
      const starts: number[] = []
      for (;;) {
        // Each round allocates a block. Two rounds of three also free a random block.
        const block = fit.allocate(anySize(), 1)
        if (block === 0) break
        starts.push(fit.table.words[block + Word.start] ?? -1)
        if (random(3) === 0) continue
        const [last = -1] = starts.splice(-1)
        const which = random(starts.length)
        fit.free(starts[which] ?? last)
        if (which < starts.length) starts[which] = last
      }
      expect(firstDamage(fit, 0)).toBeUndefined()
      shares.push(fit.used / size)
    }
    expect(Math.min(...shares)).toBeGreaterThan(least)
  })
})
