import { expect, test } from 'vitest'
import { parsePages } from '../../src/memory/page-kinds.js'
import { regionOptions } from '../../src/memory/region-options.js'
import { pageKind } from '../../src/native.js'
import { checked } from '../../src/options.js'
import { formatSize, MiB } from '../../src/sizes.js'
import { basePageSize } from '../../src/system/page-sizes.js'

test('all spellings of a page size give one name', () => {
  const hugetlb = { kind: pageKind.hugetlb, bytes: 2 * MiB, name: '2MiB' }
  for (const asked of ['2MiB', '2048KiB', '2M']) expect(parsePages(asked)).toEqual({ ...hugetlb, asked })
  const base = { kind: pageKind.base, bytes: basePageSize, name: 'base' }
  for (const asked of ['base', formatSize(basePageSize)]) expect(parsePages(asked)).toEqual({ ...base, asked })
  expect(parsePages('transparent')).toMatchObject({ kind: pageKind.transparent, bytes: basePageSize })
})

test('a text that names no power of two is not a kind of pages', () => {
  expect(['', 'huge', '3MiB', '2', '-2MiB', '__proto__'].map(parsePages)).toEqual(Array(6).fill(undefined))
})

test('one kind and a list of one are the same', () => {
  const pagesOf = (pages: string | string[]) => checked('allocate', regionOptions, { size: 1, pages }).pages
  expect(pagesOf('2MiB')).toEqual([parsePages('2MiB')])
  expect(pagesOf(['2MiB'])).toEqual(pagesOf('2MiB'))
  expect(() => pagesOf(['base', '3MiB'])).toThrow(
    "allocate: pages.1: expected 'base', 'transparent' or a page size such as '2MiB', received '3MiB' of type string",
  )
})
