import { describe, expect, test } from 'vitest'
import { pageState } from '../../src/native.js'
import { flagsOf, hasFlag } from '../../src/translate/kernel-page-flags.js'
import { frameOf, PagemapFlags, stateOf, swapPlaceOf } from '../../src/translate/pagemap.js'
import { MoveList } from '../../src/translate/verification.js'

/** The halves of an entry with these bits and this frame. */
function entry(bits: readonly number[], frame = 0n): [number, number] {
  const word = bits.reduce((sum, bit) => sum | (1n << BigInt(bit)), frame)
  return [Number(word & 0xffffffffn), Number(word >> 32n)]
}

describe('a pagemap entry', () => {
  test('contains its frame in bits 0 to 54', () => {
    expect(frameOf(...entry([63, 61, 56, 55], 0x15_0408n))).toBe(0x15_0408)
    expect(frameOf(...entry([63], 2n ** 40n - 1n))).toBe(2 ** 40 - 1)
    expect(frameOf(...entry([63], 0xffff_ffffn))).toBe(2 ** 32 - 1)
  })

  test.each([
    ['present', [63], 1n],
    ['hidden', [63, 61, 56], 0n],
    ['swapped', [62], 1n],
    ['swapped', [62], 0n],
    ['absent', [], 0n],
    ['absent', [57, 55], 0n],
    ['absent', [62, 58], 31n],
  ] as const)('is %s with bits %j and frame %d', (state, bits, frame) => {
    expect(stateOf(...entry(bits, frame))).toBe(state)
  })

  test.each([
    [55, 'softDirty'],
    [56, 'exclusivelyMapped'],
    [57, 'writeProtected'],
    [58, 'guard'],
    [61, 'fileOrShared'],
  ] as const)('shows bit %d, and no other, as %s', (bit, flag) => {
    const [, alone] = entry([bit])
    const [, others] = entry([55, 56, 57, 58, 59, 60, 61, 62, 63].filter((other) => other !== bit))
    expect(new PagemapFlags(alone)[flag]).toBe(true)
    expect(new PagemapFlags(others)[flag]).toBe(false)
  })

  test('reports area and slot of a swapped page, and of no other page', () => {
    expect(swapPlaceOf(...entry([62], (123_456n << 5n) | 3n))).toEqual({ area: 3, slot: 123_456 })
    expect(swapPlaceOf(...entry([62]))).toBeUndefined()
    expect(swapPlaceOf(...entry([63], 77n))).toBeUndefined()
  })
})

describe('a word of kpageflags', () => {
  test('is decoded in both halves, by bit number', () => {
    const word = entry([0, 15, 17, 31, 33, 41, 63])
    expect(flagsOf(...word)).toEqual(['locked', 'compoundHead', 'huge', 'mlocked', 'arch2'])
  })

  test('is asked for one flag', () => {
    const word = entry([16, 22, 33])
    expect(hasFlag('compoundTail', ...word)).toBe(true)
    expect(hasFlag('thp', ...word)).toBe(true)
    expect(hasFlag('mlocked', ...word)).toBe(true)
    expect(hasFlag('error', ...word)).toBe(false)
    expect(hasFlag('locked', ...word)).toBe(false)
    expect(hasFlag('reserved', ...word)).toBe(false)
  })
})

describe('moves', () => {
  test('of neighbours that moved together are one move', () => {
    const list = new MoveList()
    list.add(0, 4096, 0x10000, 0x50000)
    list.add(4096, 4096, 0x11000, 0x51000)
    list.add(8192, 4096, 0x12000, 0x90000)
    list.add(16384, 4096, 0x13000, 0x91000)
    expect(list.moves).toEqual([
      { offset: 0, length: 8192, from: 0x10000, to: 0x50000 },
      { offset: 8192, length: 4096, from: 0x12000, to: 0x90000 },
      { offset: 16384, length: 4096, from: 0x13000, to: 0x91000 },
    ])
    expect(list.pages).toBe(4)
  })

  test('into and out of a state name the state', () => {
    const list = new MoveList()
    list.add(0, 4096, 0x10000, pageState.swapped)
    list.add(4096, 4096, 0x11000, pageState.swapped)
    list.add(8192, 4096, 0x12000, pageState.absent)
    list.add(12288, 4096, pageState.absent, 0x13000)
    expect(list.moves).toEqual([
      { offset: 0, length: 8192, from: 0x10000, to: 'swapped' },
      { offset: 8192, length: 4096, from: 0x12000, to: 'absent' },
      { offset: 12288, length: 4096, from: 'absent', to: 0x13000 },
    ])
  })
})
