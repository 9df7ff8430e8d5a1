import { expect, test } from 'vitest'
import { openRegistrySync } from '../../src/index.js'
import { readPageNodes, strayPages } from '../../src/memory/page-nodes.js'
import { MiB } from '../../src/sizes.js'
import { memoryNodes } from '../../src/system/numa.js'
import { basePageSize } from '../../src/system/page-sizes.js'

test('each page of a region is counted on its node, as in numa_maps', () => {
  using memory = openRegistrySync({ regions: { rx: { size: 64 * basePageSize, pages: 'base' } } })
  const { rx } = memory.regions
  const found = readPageNodes(rx)
  expect([...found.values()].reduce((sum, pages) => sum + pages)).toBe(64)
  expect(memoryNodes()).toEqual(expect.arrayContaining([...found.keys()]))
  const bytes = [...found].map(([node, pages]) => [String(node), pages * basePageSize])
  expect(Object.fromEntries(bytes)).toEqual(rx.inspect().nodes)
})

test.for(['base', 'transparent', '2MiB'])(
  'interleaved %s pages lie on each node in equal number',
  (pages, { skip }) => {
    const nodes = memoryNodes()
    skip(nodes.length < 2, 'needs two NUMA nodes')
    using memory = openRegistrySync()
    const size = nodes.length * 4 * 2 * MiB
    const region = memory.allocateSync('spread', { size, pages, numa: { policy: 'interleave', nodes } })
    expect(region.inspect().nodes).toEqual(Object.fromEntries(nodes.map((node) => [node, size / nodes.length])))
  },
)

test('pages on other nodes than the wanted ones are strays', () => {
  const found = new Map([
    [0, 5],
    [1, 3],
    [2, 1],
  ])
  expect(strayPages(found, [0, 1, 2])).toEqual([])
  expect(strayPages(found, [0])).toEqual([
    [1, 3],
    [2, 1],
  ])
})
