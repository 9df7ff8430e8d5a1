import { expect, test } from 'vitest'
import { AddressIndex } from '../../src/registry/address-index.js'

const index = new AddressIndex<string>()
index.add(0x7f00_0000_0000n, 0x20_0000, 'rx')

test('the first and the last byte of a range belong to it, their neighbours do not', () => {
  expect(index.find(0x7f00_0000_0000n)).toBe('rx')
  expect(index.find(0x7f00_001f_ffffn)).toBe('rx')
  expect(index.find(0x7eff_ffff_ffffn)).toBeUndefined()
  expect(index.find(0x7f00_0020_0000n)).toBeUndefined()
})

test('two ranges may touch', () => {
  const touching = new AddressIndex<string>()
  touching.add(0x2000n, 0x1000, 'second')
  touching.add(0x1000n, 0x1000, 'first')
  touching.add(0x3000n, 0x1000, 'third')
  expect([0x1fffn, 0x2000n, 0x2fffn, 0x3000n].map((address) => touching.find(address))).toEqual([
    'first',
    'second',
    'second',
    'third',
  ])
})

test('an address past 2^53, where a number is no longer exact, belongs to no range', () => {
  expect(index.find(2n ** 53n + 1n)).toBeUndefined()
  expect(index.find(2n ** 64n - 1n)).toBeUndefined()
})

test('a value that is not an address is refused with its value', () => {
  expect(() => index.find(-1n)).toThrowCode('ERR_OUT_OF_RANGE', { values: { address: -1n } })
  expect(() => index.find(2n ** 64n)).toThrowCode('ERR_OUT_OF_RANGE')
  for (const address of [4096, '0x1000', null, undefined, {}]) {
    // @ts-expect-error: a program without types may pass this
    expect(() => index.find(address)).toThrowCode('ERR_INVALID_ARGUMENT')
  }
})

test('removing an address where no range starts does nothing', () => {
  expect(index.delete(0x7f00_0000_1000n)).toBe(false)
  expect(index.size).toBe(1)
})
