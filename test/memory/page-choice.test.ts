import { expect, test } from 'vitest'
import { openRegistrySync } from '../../src/index.js'
import { formatSize } from '../../src/sizes.js'
import { basePageSize } from '../../src/system/page-sizes.js'

test('the size of the base page is a name for base pages', () => {
  using memory = openRegistrySync()
  const region = memory.allocateSync('by-size', { size: 1, pages: formatSize(basePageSize) })
  expect(region).toMatchObject({ pages: 'base', pageSize: basePageSize, size: basePageSize, passedOver: [] })
})

test('a region in a file on a hugetlbfs mount is refused with other pages than hugetlb pages', () => {
  using memory = openRegistrySync()
  for (const pages of ['base', 'transparent', formatSize(basePageSize)]) {
    expect(() => memory.allocateSync('file', { size: 1, pages, backing: { file: '/dev/hugepages/x' } })).toThrowCode(
      'ERR_UNSUPPORTED',
      { values: { pages } },
    )
  }
})
