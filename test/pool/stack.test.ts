import { setFlagsFromString } from 'node:v8'
import { expect, test } from 'vitest'
import { bufferPoolBytes, createBufferPool, openRegistrySync } from '../../src/index.js'
import { depotWord } from '../../src/pool/layout.js'
import { isAlive } from '../../src/threads/participants.js'
import { kept } from '../support/registries.js'

// Optimized code checks the stack once for all inlined calls. Without optimization, any call may be the last.
setFlagsFromString('--no-opt')

test('a call that fails for lack of stack leaves the depot to other threads', () => {
  const options = { elementSize: 64, count: 64, cache: 8 }
  const region = kept(openRegistrySync()).allocateSync('rx', { size: bufferPoolBytes(options), pages: 'base' })
  const { buffer, byteOffset } = region.view(0, 4096)
  const words = new Int32Array(buffer, byteOffset)
  using pool = createBufferPool(region, options)
  const taken: number[] = []
  let cutShort = 0
  for (let round = 0; round < 40; round++) {
    // Each round reaches the end of the stack in another place of the code.
    const dig = (): void => {
      // The magazine is not full, so the flush pours it into another.
      taken.push(pool.get())
      pool.flush()
      if (taken.length > 20) for (const index of taken.splice(0)) pool.put(index)
      dig()
    }
    const padded = (layers: number): void => (layers === 0 ? dig() : padded(layers - 1))
    expect(() => padded(round)).toThrow(RangeError)
    const owner = Atomics.load(words, depotWord.owner)
    if (owner !== 0) cutShort++
    expect(owner !== 0 && isAlive(words, owner)).toBe(false)
  }
  expect(cutShort).toBeGreaterThan(0)
  pool.flush()
  const rest = Array.from({ length: pool.available }, () => pool.get())
  expect(new Set(rest).size).toBe(rest.length)
  expect(pool.get()).toBe(-1)
})
