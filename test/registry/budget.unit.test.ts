import { expect, test } from 'vitest'
import { Budget, type BudgetRequest, nodeShares } from '../../src/registry/budget.js'
import { GiB, MiB } from '../../src/sizes.js'

const onNode = (node: number, bytes: number, pages = '2MiB'): BudgetRequest => ({
  pages,
  bytes,
  perNode: new Map([[node, bytes]]),
})

const budgetOf = (limits: { total?: number; perPageSize?: Record<string, number>; perNode?: Record<number, number> }) =>
  new Budget({
    total: limits.total,
    perPageSize: new Map(Object.entries(limits.perPageSize ?? {})),
    perNode: new Map(Object.entries(limits.perNode ?? {}).map(([node, limit]) => [Number(node), limit])),
  })

test('a claim up to the limit is granted, a byte more is refused with the values', () => {
  const budget = budgetOf({ total: 8 * MiB })
  budget.claim().cover(onNode(0, 6 * MiB))
  const second = budget.claim()

  expect(() => second.cover(onNode(0, 2 * MiB + 1))).toThrowCode('ERR_BUDGET_EXCEEDED', {
    values: {
      budget: 'the budget',
      pages: '2MiB',
      wanted: 2 * MiB + 1,
      left: 2 * MiB,
      used: 6 * MiB,
      limit: 8 * MiB,
    },
  })
  second.cover(onNode(0, 2 * MiB))
  expect(budget.stats().total).toEqual({ limit: 8 * MiB, used: 8 * MiB })
})

test('the message names the wanted size, the size that is left, and the limit', () => {
  const budget = budgetOf({ perPageSize: { '1GiB': GiB } })
  budget.claim().cover(onNode(0, GiB, '1GiB'))
  expect(() => budget.claim().cover(onNode(0, 2 * GiB, '1GiB'))).toThrow(
    '2GiB of 1GiB pages wanted, 0B left of the budget for 1GiB pages (1GiB, 1GiB in use)',
  )
})

test('a limit for one kind of pages does not touch the others', () => {
  const budget = budgetOf({ perPageSize: { '2MiB': 0 } })
  expect(() => budget.claim().cover(onNode(0, 2 * MiB, '2MiB'))).toThrowCode('ERR_BUDGET_EXCEEDED')
  budget.claim().cover(onNode(0, 2 * MiB, 'transparent'))
})

test('a refused claim takes nothing, also from limits that have enough room', () => {
  const budget = budgetOf({ total: 8 * MiB, perNode: { 0: 8 * MiB, 1: 2 * MiB } })
  expect(() => budget.claim().cover(onNode(1, 4 * MiB))).toThrow(/node 1/)
  expect(budget.stats()).toEqual({
    total: { limit: 8 * MiB, used: 0 },
    perPageSize: {},
    perNode: { 0: { limit: 8 * MiB, used: 0 }, 1: { limit: 2 * MiB, used: 0 } },
  })
})

test('a claim that covers again replaces its request, so preferences do not add up', () => {
  const budget = budgetOf({ total: 4 * MiB })
  const claim = budget.claim()
  claim.cover(onNode(0, 4 * MiB))
  claim.cover(onNode(0, 3 * MiB, 'base'))
  expect(budget.stats().total?.used).toBe(3 * MiB)
})

test('releasing twice gives back once', () => {
  const budget = budgetOf({ total: 4 * MiB })
  const [first, second] = [budget.claim(), budget.claim()]
  first.cover(onNode(0, 2 * MiB))
  second.cover(onNode(0, 2 * MiB))
  first.release()
  first.release()
  expect(budget.stats().total?.used).toBe(2 * MiB)
})

test('pages of any of several nodes are charged to each node, and interleaved pages evenly in whole pages', () => {
  expect([...nodeShares(6 * MiB, 2 * MiB, [0, 1], false)]).toEqual([
    [0, 6 * MiB],
    [1, 6 * MiB],
  ])
  expect([...nodeShares(6 * MiB, 2 * MiB, [0, 1], true)]).toEqual([
    [0, 4 * MiB],
    [1, 4 * MiB],
  ])
})
