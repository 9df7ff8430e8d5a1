import { expect, test } from 'vitest'
import { completionWord, completionWords } from '../../../src/rdma/contract/work-layout.js'
import { CompletionStore } from '../../../src/rdma/loopback/completion-store.js'
import { LoopbackContext } from '../../../src/rdma/loopback/context.js'
import { randomNumbers } from '../../support/random.mjs'

test('a completion queue gives its completions back in order, however many lie in it', () => {
  const size = 20_000
  const store = new CompletionStore(new LoopbackContext(), size, 0, false)
  const random = randomNumbers(1)
  const into = new Uint32Array(9000 * completionWords)
  let pushed = 0
  let polled = 0
  for (let round = 0; round < 400; round++) {
    // It fills up in the first half of the rounds, and is drained again and again in the second.
    const more = Math.min(random(300), size - store.count)
    for (let one = 0; one < more; one++) {
      expect(store.push(pushed++, 0, 0, 0, 0, 0, 0, 0, 0, 0, false)).toBe(true)
    }
    const taken = store.poll(into, random(round < 200 ? 50 : 9000))
    for (let one = 0; one < taken; one++) {
      if (into[one * completionWords + completionWord.id] !== polled++) expect.fail(`completion ${polled} is not next`)
    }
    expect(store.count).toBe(pushed - polled)
  }
  while (store.count < size) store.push(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, false)
  expect(store.push(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, false)).toBe(false)
  expect(store.overran).toBe(true)
})
