import { expect, test } from 'vitest'
import { Word } from '../../src/heap/block-table.js'
import { firstDamage } from '../../src/heap/integrity.js'
import { SegregatedFit } from '../../src/heap/segregated-fit.js'
import { randomNumbers } from '../support/random.mjs'

/** Allocates and frees random blocks until the table has grown to `most` lines. `look` is called after each step. */
function grow(fit: SegregatedFit, most: number, seed: number, look: (live: readonly number[]) => void): number[] {
  const random = randomNumbers(seed)
  const live: number[] = []
  while (fit.table.lines < most) {
    if (random(3) === 0 && live.length > 0) {
      const [last = -1] = live.splice(-1)
      const which = random(live.length + 1)
      expect(fit.free(live[which] ?? last)).toBe(true)
      if (which < live.length) live[which] = last
    } else {
      const block = fit.allocate(1 + random(60), 1 << random(5))
      live.push(fit.table.words[block + Word.start] ?? -1)
    }
    look(live)
  }
  return live
}

function expectSound(fit: SegregatedFit, live: readonly number[]): void {
  expect(firstDamage(fit, 0)).toBeUndefined()
  expect(fit.index.count).toBe(live.length)
  const { words } = fit.table
  expect(live.every((start) => words[fit.index.find(start, words) + Word.start] === start)).toBe(true)
}

test('a table that grows from a few lines to 100,000 among random frees is right after each growth', () => {
  const fit = new SegregatedFit(2 ** 30, 0, 1)
  let grown = 0
  let capacity = fit.table.capacity
  const live = grow(fit, 100_000, 7, (blocks) => {
    if (fit.table.capacity === capacity) return
    capacity = fit.table.capacity
    grown += 1
    expectSound(fit, blocks)
  })
  expect(grown).toBeGreaterThan(12)
  expectSound(fit, live)
  for (const start of live) expect(fit.free(start)).toBe(true)
  expect(firstDamage(fit, 0)).toBeUndefined()
  expect(fit.lists.largest()).toBe(2 ** 30)
  fit.release()
})

test.each([1, 255, 257, 300])('a table for %d blocks is right at each step of its growth', (blocks) => {
  const fit = new SegregatedFit(2 ** 20, 0, blocks)
  grow(fit, 600, blocks, (live) => expectSound(fit, live))
})

test('a table whose lines are used by blocks that shrink keeps short chains', () => {
  const fit = new SegregatedFit(2 ** 20, 0, 1)
  const live = Array.from({ length: 4000 }, () => fit.allocate(8, 1))
  for (const block of live) expect(fit.resize(block, 4)).toBe(true)
  expect(firstDamage(fit, 0)).toBeUndefined()
  const most = fit.table.lines
  for (let round = 0; fit.index.dividing && round < most; round++) live.push(fit.allocate(1, 1))
  expect(fit.index.dividing).toBe(false)
  expect(fit.index.undivided).toBeGreaterThanOrEqual(2 * fit.index.count)
  expectSound(
    fit,
    live.map((block) => fit.table.words[block + Word.start] ?? -1),
  )
})
