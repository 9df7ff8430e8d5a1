import { setFlagsFromString } from 'node:v8'
import { expect, test } from 'vitest'
import { createHeap, openRegistrySync } from '../../src/index.js'
import { kept } from '../support/registries.js'

// Optimized code checks the stack once for all inlined calls. Without optimization, any call may be the last.
for (const flag of ['--no-opt', '--no-maglev', '--no-sparkplug']) setFlagsFromString(flag)

const damaged = expect.objectContaining({ code: 'ERR_HEAP_DAMAGED' })

test('calls that fail for lack of stack leave a heap intact, or marked as damaged', () => {
  const region = kept(openRegistrySync()).allocateSync('rx', { size: '64KiB', pages: 'base' })
  for (let round = 0; round < 60; round++) {
    using deep = createHeap(region, { blocks: 4 })
    const offsets: number[] = []
    // Each round reaches the end of the stack in another place of the code.
    const dig = (depth: number): void => {
      offsets.push(deep.allocate(16 + ((depth * 37) % 200)))
      if (offsets.length > 40) deep.free(offsets.splice((depth * 7) % 40, 1)[0] ?? -1)
      dig(depth + 1)
    }
    const padded = (layers: number): void => (layers === 0 ? dig(round) : padded(layers - 1))
    expect(() => padded(round % 50)).toThrow(RangeError)
    try {
      deep.free(deep.allocate(16))
      deep.check()
    } catch (error) {
      expect(error).toEqual(damaged)
      expect(() => deep.check()).toThrowCode('ERR_HEAP_DAMAGED')
    }
  }
})
