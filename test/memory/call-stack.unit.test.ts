import { afterEach, describe, expect, test, vi } from 'vitest'
import { StackSampler } from '../../src/memory/call-stack.js'

describe('stacks of calls', () => {
  afterEach(() => vi.useRealTimers())

  function call(sampler: StackSampler): string | undefined {
    return sampler.capture(call)
  }

  test('are captured up to a limit, and begin at the caller', () => {
    const sampler = new StackSampler(3)
    const stacks = Array.from({ length: 10 }, () => call(sampler))
    expect(stacks.map((stack) => stack !== undefined)).toEqual([true, true, true, ...Array(7).fill(false)])
    expect(stacks[0]).not.toContain(' call ')
    expect(stacks[0]).toContain('call-stack.unit.test.ts')
  })

  test('are captured again after a second, also if a test replaces the timers', async () => {
    vi.useFakeTimers()
    const sampler = new StackSampler(1)
    expect(call(sampler)).toBeDefined()
    vi.useRealTimers()
    await vi.waitFor(() => expect(call(sampler)).toBeDefined(), { timeout: 10_000, interval: 10 })
  })
})
