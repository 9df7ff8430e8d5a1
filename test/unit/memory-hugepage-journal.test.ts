import { describe, expect, test } from 'vitest'
import { type Loan, parseJournal, type RaiseStep } from '../../src/memory/hugepage-journal.js'
import { owedShares } from '../../src/memory/hugepage-ledger.js'
import { MiB } from '../../src/sizes.js'

// Two nodes; the loan is of 6 pages, for which the pools grow from 10 and 20.
const raise: RaiseStep = {
  step: 'raise',
  version: 1,
  boot: '1a72b718-b259-4792-8b54-dbc671f282eb',
  pid: 4711,
  startTime: 115269,
  pageSize: 2 * MiB,
  pages: 6,
  before: [
    { node: 0, pages: 10 },
    { node: 1, pages: 20 },
  ],
}
const shares = (onNode0: number, onNode1: number) => [
  { node: 0, pages: onNode0 },
  { node: 1, pages: onNode1 },
]
const raised = { step: 'raised', shares: shares(4, 2) } as const

describe('a journal', () => {
  const line = (step: object) => `${JSON.stringify(step)}\n`

  test('tells the loan and its newest step', () => {
    expect(parseJournal(line(raise))).toEqual({ raise, last: raise })
    expect(parseJournal(line(raise) + line(raised))).toEqual({ raise, last: raised })
  })

  test('without one whole line tells nothing, since nothing was done', () => {
    expect(parseJournal('')).toBeUndefined()
    expect(parseJournal(line(raise).slice(0, -1))).toBeUndefined()
  })

  test('passes over a last line that was not finished', () => {
    expect(parseJournal(line(raise) + line(raised).slice(0, 20))).toEqual({ raise, last: raise })
  })

  test('of a machine without NUMA has shares without a node', () => {
    const loan = parseJournal(line({ ...raise, before: [{ pages: 3 }] }))
    expect(loan && owedShares(loan, [{ node: undefined, pages: 5 }])).toEqual([{ node: undefined, pages: 2 }])
  })
})

describe('what a dead borrower owes', () => {
  test.each([
    ['before the pools grew', shares(10, 20), shares(0, 0)],
    ['when they had half grown', shares(13, 20), shares(3, 0)],
    ['when they had grown', shares(14, 22), shares(4, 2)],
    ['with others raising them at the same time', shares(30, 40), shares(6, 0)],
    ['with others lowering them at the same time', shares(2, 22), shares(0, 2)],
  ])('killed %s', (_, now, owed) => {
    expect(owedShares({ raise, last: raise }, now)).toEqual(owed)
  })

  test('is its whole loan, on the nodes where it lies, whatever others did since', () => {
    const loan: Loan = { raise, last: raised }
    expect(owedShares(loan, shares(14, 22))).toEqual(shares(4, 2))
    expect(owedShares(loan, shares(100, 100))).toEqual(shares(4, 2))
  })

  test('is never more than the pools have', () => {
    expect(owedShares({ raise, last: raised }, shares(1, 0))).toEqual(shares(1, 0))
    expect(owedShares({ raise, last: raised }, [{ node: 0, pages: 9 }])).toEqual(shares(4, 0))
  })

  test.each([
    ['before it had lowered any', shares(14, 22), shares(4, 2)],
    ['half-way through the first node', shares(11, 22), shares(1, 2)],
    ['between the nodes', shares(10, 22), shares(0, 2)],
    ['after the last', shares(10, 20), shares(0, 0)],
  ])('giving back, killed %s', (_, now, owed) => {
    expect(owedShares({ raise, last: { step: 'return', before: shares(14, 22), shares: shares(4, 2) } }, now)).toEqual(
      owed,
    )
  })
})
