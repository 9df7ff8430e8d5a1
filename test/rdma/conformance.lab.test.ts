import { beforeAll, describe, expect, test } from 'vitest'
import { whyNoLab } from '../support/lab.js'
import { needs } from '../support/requirements.js'
import type { Verdict } from './conformance/case.js'
import { suiteInLab } from './conformance/in-lab.js'
import { suite } from './conformance/suite.js'

// One machine runs the whole suite. Then each case is a test of its own here.

const keyOf = ({ group, name }: Pick<Verdict, 'group' | 'name'>) => `${group}: ${name}`
const verdicts = new Map<string, Verdict>()

beforeAll(async () => {
  if (whyNoLab() !== undefined) return
  for (const verdict of (await suiteInLab()).verdicts) verdicts.set(keyOf(verdict), verdict)
}, 600_000)

describe('Soft-RoCE keeps the contract:', () => {
  test.for(suite.map((one) => [keyOf(one), one] as const))('%s', ([key, { expects }], context) => {
    needs(context, whyNoLab())
    const verdict = verdicts.get(key)
    if (verdict === undefined) throw new Error('the lab has no verdict on it')
    if (verdict.state === 'unsupported') context.skip(verdict.detail)
    expect(verdict.state === 'passed' ? expects : verdict.detail).toBe(expects)
  })
})
