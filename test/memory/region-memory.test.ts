import { describe, expect, test } from 'vitest'
import { createHeap, openRegistrySync } from '../../src/index.js'
import { isRegionMemory } from '../../src/memory/region-memory.js'
import { base, kept } from '../support/registries.js'

function region() {
  const made = kept(openRegistrySync()).allocateSync('memory', base)
  made.bytes.set([1, 2, 3, 4, 5, 6, 7, 8], made.size - 8)
  return made
}

describe('a range without a length runs to the end', () => {
  test('of a region', () => {
    const memory = region()
    const from = memory.size - 8
    expect(memory.slice(from)).toMatchObject({ offset: from, length: 8, region: memory })
    expect(memory.slice(from).bytes).toEqual(memory.view(from))
    expect(memory.view(from, undefined)).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
    expect(memory.slice(0)).toMatchObject({ offset: 0, length: memory.size, address: memory.address })
    expect([memory.slice(memory.size).length, memory.view(memory.size).length]).toEqual([0, 0])
  })

  test('of a slice', () => {
    const memory = region()
    const slice = memory.slice(memory.size - 8, 6)
    expect(slice.slice(2)).toMatchObject({ offset: memory.size - 6, length: 4, region: memory })
    expect(slice.slice(2).view(1)).toEqual(Uint8Array.of(4, 5, 6))
    expect(slice.view(2)).toEqual(Uint8Array.of(3, 4, 5, 6))
    expect(slice.address).toBe(memory.address + BigInt(memory.size - 8))
  })

  test('and may not start behind the end', () => {
    const memory = region()
    expect(() => memory.slice(0, 8).slice(9)).toThrowCode('ERR_OUT_OF_RANGE', { values: { offset: 9 } })
    expect(() => memory.slice(0, 8).view(9)).toThrowCode('ERR_OUT_OF_RANGE', { values: { offset: 9 } })
  })
})

test('a slice leads to its Region object', () => {
  const memory = region()
  const { region: whole } = memory.slice(4096, 64)
  expect(whole).toBe(memory)
  expect(whole.translate()).toMatchObject({ size: memory.size })
})

test('only a Region and a Slice are memory of a region, and the check runs no code of the value', () => {
  const memory = region()
  const slice = memory.slice(0)
  const trapped = new Proxy(
    {},
    {
      get() {
        throw new Error('a trap ran')
      },
    },
  )
  expect([memory, slice].map(isRegionMemory)).toEqual([true, true])
  const imitations = [
    new Proxy(memory, trapped),
    new Proxy(slice, trapped),
    Object.create(memory),
    Object.create(Object.getPrototypeOf(slice)),
    { ...slice },
  ]
  expect(imitations.map(isRegionMemory)).toEqual(imitations.map(() => false))
  for (const imitation of imitations) {
    expect(() => createHeap(imitation)).toThrowCode('ERR_INVALID_ARGUMENT', {
      message: expect.stringMatching(/^createHeap: memory: expected a Region or a Slice, received a value of type/),
    })
  }
})
