import { describe, expect, test } from 'vitest'
import { journalVersion, type Loan, parseJournal, type RaiseStep } from '../../src/hugepages/journal.js'
import { owedShares } from '../../src/hugepages/open-loans.js'
import { MiB } from '../../src/sizes.js'

// A loan of 6 pages on two nodes, whose pools contain 10 and 20 pages before it.
const raise: RaiseStep = {
  step: 'raise',
  version: journalVersion,
  file: '24:53',
  boot: '1a72b718-b259-4792-8b54-dbc671f282eb',
  lock: '24:2',
  owner: { pid: 4711, thread: 4711, startTime: 115269, pidNamespace: 4026531836, timeNamespace: 4026531834 },
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

  test('contains the loan and its newest step', () => {
    expect(parseJournal(line(raise))).toEqual({ raise, last: raise })
    expect(parseJournal(line(raise) + line(raised))).toEqual({ raise, last: raised })
  })

  test('without one whole line counts as empty, since no pool was changed yet', () => {
    expect(parseJournal('')).toBe('empty')
    expect(parseJournal(line(raise).slice(0, -1))).toBe('empty')
  })

  test('is read without an unfinished last line', () => {
    expect(parseJournal(line(raise) + line(raised).slice(0, 20))).toEqual({ raise, last: raise })
  })

  test('of a machine without NUMA contains shares without a node', () => {
    const loan = parseJournal(line({ ...raise, before: [{ pages: 3 }] }))
    expect(typeof loan === 'object' && owedShares(loan, [{ node: undefined, pages: 5 }])).toEqual([
      { node: undefined, pages: 2 },
    ])
  })
})

describe('a journal that this version cannot read', () => {
  const line = (step: unknown) => `${JSON.stringify(step)}\n`

  test.each([
    ['words', 'hello\n', /^line 1: no JSON/],
    ['null', line(null), /^line 1: no step of a loan/],
    ['a list', line([]), /^line 1: /],
    ['another step first', line(raised), /^line 1: /],
    ['a page size of a wrong type', line({ ...raise, pageSize: '2MiB' }), /^line 1: pageSize/],
    ['a negative count', line({ ...raise, pages: -1 }), /^line 1: pages/],
    ['a huge number', line({ ...raise, pages: 1e300 }), /^line 1: pages/],
    ['no owner', line({ ...raise, owner: undefined }), /^line 1: owner/],
    ['a node of a wrong type', line({ ...raise, before: [{ node: 'x', pages: 1 }] }), /^line 1: before.0.node/],
    ['null after a good line', line(raise) + line(null), /^line 2: /],
    ['more pages than were lent', line(raise) + line({ step: 'raised', shares: shares(4, 3) }), /^line 2: more pages/],
  ])('is refused with the number of the wrong line: %s', (_, text, problem) => {
    expect(() => parseJournal(text)).toThrow(problem)
  })

  test('is recognized if another version of pinfold wrote it, whatever its steps are', () => {
    expect(parseJournal(line({ step: 'lift', version: journalVersion + 1 }))).toBe('foreign')
  })
})

describe('the debt of a dead borrower', () => {
  test.each([
    ['before the pools grew', shares(10, 20), shares(0, 0)],
    ['while they grew', shares(13, 20), shares(3, 0)],
    ['after they had grown', shares(14, 22), shares(4, 2)],
    ['while other processes raised them', shares(30, 40), shares(6, 0)],
    ['while other processes lowered them', shares(2, 22), shares(0, 2)],
  ])('is known if the borrower was killed %s', (_, now, owed) => {
    expect(owedShares({ raise, last: raise }, now)).toEqual(owed)
  })

  test('is its whole loan, on the nodes of its pages, whatever other processes have changed since', () => {
    const loan: Loan = { raise, last: raised }
    expect(owedShares(loan, shares(14, 22))).toEqual(shares(4, 2))
    expect(owedShares(loan, shares(100, 100))).toEqual(shares(4, 2))
  })

  test('is never more than the pools contain', () => {
    expect(owedShares({ raise, last: raised }, shares(1, 0))).toEqual(shares(1, 0))
    expect(owedShares({ raise, last: raised }, [{ node: 0, pages: 9 }])).toEqual(shares(4, 0))
  })

  test.each([
    ['before it had lowered any pool', shares(14, 22), shares(4, 2)],
    ['half-way through the first node', shares(11, 22), shares(1, 2)],
    ['between the nodes', shares(10, 22), shares(0, 2)],
    ['after the last', shares(10, 20), shares(0, 0)],
  ])('is known if the borrower was killed while giving back, %s', (_, now, owed) => {
    expect(
      owedShares({ raise, last: { step: 'return', lock: '24:2', before: shares(14, 22), shares: shares(4, 2) } }, now),
    ).toEqual(owed)
  })
})
