import { describe, expect, test } from 'vitest'
import {
  parseAddress,
  parseCount,
  parseLength,
  parseNodes,
  parsePageSize,
  parsePages,
} from '../../src/cli/arguments.js'
import { GiB, KiB, MiB } from '../../src/sizes.js'

describe('a page size', () => {
  test.each(['2MiB', '2M', '2MB', '2m', '2048K', '2048kB'])('may be written %s', (word) => {
    expect(parsePageSize(word, [GiB, 2 * MiB])).toBe(2 * MiB)
  })

  test.each(['4KiB', '2', '2MiBs', '', '2MiB 1', '-2MiB', '1.5M', '../2048kB'])(
    '%j is refused, with those there are',
    (word) => {
      expect(() => parsePageSize(word, [GiB, 2 * MiB])).toThrowCode('ERR_INVALID_ARGUMENT')
      expect(() => parsePageSize(word, [GiB, 2 * MiB])).toThrow("'1GiB' or '2MiB'")
    },
  )
})

describe('pages', () => {
  test('are given as a count, or as the size of their memory', () => {
    expect(parsePages('64', 2 * MiB)).toBe(64)
    expect(parsePages('1GiB', 2 * MiB)).toBe(512)
    expect(parsePages('0', 2 * MiB)).toBe(0)
  })

  test.each(['3MiB', '-1', '1.5', 'NaN', '1e3', '', '0x10', '99999999999999999999'])('%j are refused', (word) => {
    expect(() => parsePages(word, 2 * MiB)).toThrowCode('ERR_INVALID_ARGUMENT')
  })
})

describe('NUMA nodes', () => {
  test.each([
    ['0', [0]],
    ['1,0', [0, 1]],
    ['0-2', [0, 1, 2]],
    ['0-1,1', [0, 1]],
  ])('%s', (word, nodes) => {
    expect(parseNodes(word, [0, 1, 2])).toEqual(nodes)
  })

  test.each(['3', '0-3', '2-1', '', 'a', '0,', '-1', '0;1', '0-99999999999'])('%j are refused', (word) => {
    expect(() => parseNodes(word, [0, 1, 2])).toThrowCode('ERR_INVALID_ARGUMENT')
  })
})

describe('an address', () => {
  test('is hex or decimal, of up to 64 bits', () => {
    expect(parseAddress('0x7F00')).toBe(0x7f00n)
    expect(parseAddress('4096')).toBe(4096n)
    expect(parseAddress('0xffffffffffffffff')).toBe(2n ** 64n - 1n)
  })

  test.each(['7f00', '0x', '-1', '0x1_0000', '0x10000000000000000', '1.5', '', ' 1'])('%j is refused', (word) => {
    expect(() => parseAddress(word)).toThrowCode('ERR_INVALID_ARGUMENT')
  })
})

test('a length is bytes, hex bytes, or a size', () => {
  expect(parseLength('4096')).toBe(4096)
  expect(parseLength('0x1000')).toBe(4096)
  expect(parseLength('64KiB')).toBe(64 * KiB)
  for (const word of ['0', '-4096', '1.5', 'all', '0x'])
    expect(() => parseLength(word)).toThrowCode('ERR_INVALID_ARGUMENT')
})

test('a count below its minimum is refused', () => {
  expect(parseCount('1', 'a pid', 1)).toBe(1)
  expect(() => parseCount('0', 'a pid', 1)).toThrow('a pid as a whole number of 1 or more')
})
