import { expect, test } from 'vitest'
import { openRegistry, openRegistrySync } from '../../src/index.js'
import { MiB } from '../../src/sizes.js'
import { memoryNodes } from '../../src/system/numa.js'
import { basePageSize } from '../../src/system/page-sizes.js'
import { mappedRegions } from '../support/mapped-regions.js'

const base = { size: '2MiB', pages: 'base' } as const
const exceeded = expect.objectContaining({ code: 'ERR_BUDGET_EXCEEDED' })

test('a budget refuses before the kernel is asked: more than the machine’s memory is over budget first', () => {
  using memory = openRegistrySync({ budget: '8MiB' })
  expect(() => memory.allocateSync('rx', { size: '4096GiB', pages: 'base' })).toThrowCode('ERR_BUDGET_EXCEEDED', {
    values: { budget: 'the budget', pages: 'base', wanted: 2 ** 42, left: 8 * MiB, used: 0, limit: 8 * MiB },
  })
})

test('an allocation that the kernel refuses is given back to the budget', async () => {
  using memory = openRegistrySync({ budget: '8192GiB' })
  await expect(memory.allocate('rx', { size: '4096GiB', pages: 'base' })).rejects.toMatchObject({
    code: 'ERR_MEMORY_SHORT',
  })
  expect(memory.stats().budget.total?.used).toBe(0)
})

test('a region counts with its whole pages, until it is closed', () => {
  using memory = openRegistrySync({ budget: basePageSize })
  const region = memory.allocateSync('rx', { size: 1, pages: 'base' })
  expect(memory.stats().budget.total).toEqual({ limit: basePageSize, used: basePageSize })
  expect(() => memory.allocateSync('tx', { size: 1, pages: 'base' })).toThrowCode('ERR_BUDGET_EXCEEDED')
  region.close()
  memory.allocateSync('tx', { size: 1, pages: 'base' })
})

test('a hold keeps its region in the budget, since the region stays open', () => {
  using memory = openRegistrySync({ budget: '2MiB' })
  const region = memory.allocateSync('rx', base)
  const hold = region.hold()
  expect(() => region.close()).toThrow()
  expect(memory.stats().budget.total?.used).toBe(2 * MiB)
  hold.release()
})

test('declared regions count, and are made all or not at all', async () => {
  await expect(openRegistry({ budget: '5MiB', regions: { one: base, two: base, three: base } })).rejects.toEqual(
    exceeded,
  )
  expect(mappedRegions()).toEqual([])
})

test('allocations that are under way at once never pass the budget together', async () => {
  await using memory = await openRegistry({ budget: '9MiB' })
  const outcomes = await Promise.allSettled(
    Array.from({ length: 12 }, (_, at) => memory.allocate(`rx${at}`, { size: '2MiB', pages: 'base' })),
  )
  expect(outcomes.map(({ status }) => status)).toEqual([
    ...Array<string>(4).fill('fulfilled'),
    ...Array<string>(8).fill('rejected'),
  ])
  for (const outcome of outcomes.slice(4)) expect(outcome).toMatchObject({ reason: exceeded })
  expect(memory.stats().budget.total?.used).toBe(8 * MiB)
})

test('in a list of preferences, a kind of pages beyond its budget is passed over for the next', async () => {
  await using memory = await openRegistry({ budget: { perPageSize: { '2048KiB': 0, transparent: '1MiB' } } })
  const region = await memory.allocate('rx', { size: '2MiB', pages: ['2MiB', 'transparent', 'base'] })
  expect(region.pages).toBe('base')
  expect(region.passedOver).toEqual([
    { pages: '2MiB', code: 'ERR_BUDGET_EXCEEDED', reason: expect.stringContaining('the budget for 2MiB pages') },
    { pages: 'transparent', code: 'ERR_BUDGET_EXCEEDED', reason: expect.stringContaining('transparent') },
  ])
  expect(memory.stats()).toMatchObject({ fallbacks: 1, budget: { perPageSize: { '2MiB': { used: 0 } } } })
})

test('a budget for the size of the base page is a budget for base pages', () => {
  using memory = openRegistrySync({ budget: { perPageSize: { [`${basePageSize}B`]: '1MiB' } } })
  expect(() => memory.allocateSync('rx', base)).toThrowCode('ERR_BUDGET_EXCEEDED')
})

test('a budget for a node counts the pages that may come to lie on it', () => {
  const [node = 0, ...others] = memoryNodes()
  using memory = openRegistrySync({ budget: { perNode: { [node]: '4MiB', 1023: '1MiB' } } })
  const bound = memory.allocateSync('bound', { ...base, numa: { policy: 'bind', nodes: [node] } })
  expect(memory.stats().budget.perNode).toEqual({
    [node]: { limit: 4 * MiB, used: 2 * MiB },
    1023: { limit: MiB, used: 0 },
  })
  const twice = { size: '4MiB', pages: 'base', numa: { policy: 'interleave', nodes: [node, node] } } as const
  expect(() => memory.allocateSync('interleaved', twice)).toThrowCode('ERR_BUDGET_EXCEEDED')
  bound.close()
  expect(memory.stats().budget.perNode[node]?.used).toBe(0)

  // If the kernel chooses the node, every node with a limit must have room.
  expect(() => memory.allocateSync('anywhere', { size: '6MiB', pages: 'base' })).toThrowCode('ERR_BUDGET_EXCEEDED')
  const anywhere = memory.allocateSync('anywhere', { size: '4MiB', pages: 'base' })
  const { nodes } = anywhere.inspect()
  expect(memory.stats().budget.perNode[node]?.used).toBe(others.length === 0 ? 4 * MiB : (nodes[node] ?? 0))
})
