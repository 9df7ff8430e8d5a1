import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Verdict } from './conformance/case.js'
import { reportOf, rowOf, rowsOf } from './conformance/report.js'
import { suite } from './conformance/suite.js'

const verdict = { group: 'sends', name: 'a | b', expects: 'SUCCESS', state: 'passed', detail: '' } as const
const columns = [
  { device: 'loopback', verdicts: [verdict] },
  { device: 'other', verdicts: [{ ...verdict, state: 'unsupported', detail: 'no such thing' }] satisfies Verdict[] },
]

describe('the report', () => {
  test('contains a row for each case, with its verdict on each device', () => {
    expect(reportOf(columns)).toContain('| a \\| b | SUCCESS | ✓ | unsupported: no such thing |')
  })

  test('counts the verdicts', () => {
    expect(reportOf(columns)).toContain('| other | 0 | 1 | 0 |')
  })

  test('names its cases', () => {
    expect(rowsOf(reportOf(columns))).toEqual([rowOf(verdict)])
  })

  test('that is committed contains exactly the cases of the suite', () => {
    const committed = readFileSync('docs/rdma-conformance.md', 'utf8')
    expect(rowsOf(committed)).toEqual(suite.map(rowOf))
  })

  test('that is committed contains no difference', () => {
    expect(readFileSync('docs/rdma-conformance.md', 'utf8')).not.toContain('| different: ')
  })
})

test('no two cases have the same name', () => {
  const names = suite.map(({ group, name }) => `${group}: ${name}`)
  expect(new Set(names).size).toBe(names.length)
})
