import { afterEach, beforeEach, expect } from 'vitest'
import { repairLoans } from '../../src/hugepages/index.js'
import { journals, poolPages } from './hugepage-pools.js'
import { needs, whyNotPools } from './requirements.js'

/** The state of the hugepage pool before the current test. */
export interface PoolBeforeTest {
  /** As `poolPages` counts them. */
  readonly pages: number
  /** As `journals` lists them. */
  readonly journals: readonly string[]
}

/**
 * Reads the hugepage pool before each test of the file or group that calls this, and asserts after each test that the
 * pool and the journals are the same. Skips the tests if this process cannot change hugepage pools.
 */
export function checkPoolAfterEachTest(): PoolBeforeTest {
  const reason = whyNotPools()
  const before: { pages: number; journals: string[] } = { pages: 0, journals: [] }

  beforeEach((context) => {
    needs(context, reason)
    repairLoans()
    before.pages = poolPages()
    before.journals = journals()
  })

  afterEach(() => {
    if (reason !== undefined) return
    repairLoans()
    expect(poolPages()).toBe(before.pages)
    expect(journals()).toEqual(before.journals)
  })

  return before
}
