import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ConnectedPair, connectedPair } from '../../src/testing/index.js'

let pair: ConnectedPair
beforeEach(() => {
  pair = connectedPair({ device: { loopback: true } })
})
afterEach(() => pair[Symbol.dispose]())

/** A write that the loopback completes at once. */
function write(id: number) {
  const { memory, remote } = pair.near
  return { operation: 'write', id, memory: memory.slice(0, 8), remote: remote.slice(0, 8) } as const
}

// Each loop ends when a timer says so. A promise that is settled lets only other promises run, so without a turn of the
// event loop this would never end.
const loops: Readonly<Record<string, (isOver: () => boolean) => Promise<void>>> = {
  'request()': async (isOver) => {
    while (!isOver()) await pair.near.queuePair.request(write(1))
  },
  'wait()': async (isOver) => {
    while (!isOver()) {
      pair.near.queuePair.post(write(2))
      await pair.near.queue.wait()
    }
  },
  'completions()': async (isOver) => {
    pair.near.queuePair.post(write(3))
    for await (const _ of pair.near.queue.completions()) {
      if (isOver()) break
      pair.near.queuePair.post(write(3))
    }
  },
}

test.each(Object.entries(loops))(
  'timers run while a program awaits %s, though each completes at once',
  async (_, loop) => {
    let isOver = false
    const timer = setTimeout(20).then(() => {
      isOver = true
    })
    // A loop that starves the timer must fail, not hang.
    let rounds = 0
    await loop(() => {
      rounds += 1
      return isOver || rounds > 5_000_000
    })
    expect(isOver).toBe(true)
    await timer
  },
)
