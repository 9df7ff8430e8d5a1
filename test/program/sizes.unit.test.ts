import { describe, expect, test } from 'vitest'
import { GiB, KiB, MiB, parseSize } from '../../src/sizes.js'

describe('a size', () => {
  test.each([
    ['64KiB', 64 * KiB],
    ['2M', 2 * MiB],
    ['2m', 2 * MiB],
    ['1G', GiB],
    ['64K', 64 * KiB],
    ['64k', 64 * KiB],
    ['1T', 1024 * GiB],
    ['1.5G', 1.5 * GiB],
    ['2MB', 2_000_000],
    ['2kB', 2000],
    [4096, 4096],
  ])('%j is the same number of bytes as on the command line', (size, bytes) => {
    expect(parseSize(size)).toBe(bytes)
  })

  test.each(['4096', '2Mi', '2mib', '2P', '2 constructor', 'M', ''])('%j is refused', (size) => {
    expect(() => parseSize(size)).toThrowCode('ERR_INVALID_ARGUMENT')
  })
})
