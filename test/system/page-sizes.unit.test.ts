import { expect, test } from 'vitest'
import { GiB, KiB, MiB } from '../../src/sizes.js'
import { parseChosen, parseHugetlbPageSizes } from '../../src/system/page-sizes.js'

test('hugetlb page sizes are read from directory names in any order, largest first', () => {
  const ofArm = ['hugepages-1048576kB', 'hugepages-2048kB', 'hugepages-32768kB', 'hugepages-64kB']
  expect(parseHugetlbPageSizes(ofArm)).toEqual([GiB, 32 * MiB, 2 * MiB, 64 * KiB])
  expect(parseHugetlbPageSizes([])).toEqual([])
})

test('other directory names are passed over', () => {
  expect(parseHugetlbPageSizes(['hugepages-2048kB', 'hugepages-', 'hugepages-2MB', 'x'])).toEqual([2 * MiB])
})

test('the chosen mode is the word in brackets', () => {
  expect(parseChosen('always [madvise] never\n')).toBe('madvise')
  expect(parseChosen('always defer [defer+madvise] madvise never')).toBe('defer+madvise')
  expect(parseChosen('')).toBeUndefined()
})
