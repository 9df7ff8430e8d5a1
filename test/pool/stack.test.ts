import { setFlagsFromString } from 'node:v8'
import { expect, test } from 'vitest'
import { bufferPoolBytes, createBufferPool, openRegistrySync } from '../../src/index.js'
import { depotWord } from '../../src/pool/layout.js'
import { isAlive } from '../../src/threads/participants.js'
import { kept } from '../support/registries.js'

// Code of the optimizing compilers checks the stack once for all inlined calls. Without them, any call may be the last.
for (const flag of ['--no-opt', '--no-maglev', '--no-sparkplug']) setFlagsFromString(flag)

test('a call that fails for lack of stack leaves the depot to other threads', () => {
  const options = { elementSize: 64, count: 4096, cache: 8 }
  const region = kept(openRegistrySync()).allocateSync('rx', { size: bufferPoolBytes(options), pages: 'base' })
  const { buffer, byteOffset } = region.view(0, 4096)
  const words = new Int32Array(buffer, byteOffset)
  using pool = createBufferPool(region, options)
  const taken: number[] = []
  let cutShort = 0
  for (let round = 0; round < 60; round++) {
    // Each round reaches the end of the stack in another place of the code.
    const dig = (): void => {
      // The magazine is not full, so the flush pours it into another.
      taken.push(pool.get())
      pool.flush()
      if (taken.length > 20) for (const index of taken.splice(0)) pool.put(index)
      dig()
    }
    // Arguments that nobody reads move the end of the stack by 8 bytes each.
    expect(() => Reflect.apply(dig, undefined, new Array(round).fill(0))).toThrow(RangeError)
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
