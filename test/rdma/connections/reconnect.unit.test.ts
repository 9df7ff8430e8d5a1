import { describe, expect, test, vi } from 'vitest'
import { PinfoldError } from '../../../src/errors.js'
import { createReconnectPolicy } from '../../../src/rdma/connections/reconnect.js'

const refused = () => new PinfoldError('refused', { code: 'ERR_CONNECTION_REFUSED' })
const fast = { firstDelay: 1, longestDelay: 2 }

describe('a policy for new connections', () => {
  test.each([
    'LOC_LEN_ERR',
    'LOC_PROT_ERR',
    'LOC_ACCESS_ERR',
    'REM_INV_REQ_ERR',
    'REM_ACCESS_ERR',
    'REM_OP_ERR',
  ] as const)('says no after %s, which is an error of the program', (status) =>
    expect(createReconnectPolicy().mayReconnect(status)).toBe(false),
  )

  test.each(['RETRY_EXC_ERR', 'RNR_RETRY_EXC_ERR', 'WR_FLUSH_ERR'] as const)('says yes after %s', (status) => {
    const policy = createReconnectPolicy()
    expect(policy.mayReconnect(status)).toBe(true)
    expect(policy.stats.statuses).toEqual({ [status]: 1 })
  })

  test('tries again after a refusal, and counts', async () => {
    const policy = createReconnectPolicy(fast)
    const attempt = vi.fn(async (tried: number) => {
      if (tried < 3) throw refused()
      return tried
    })
    expect(await policy.run(attempt)).toBe(3)
    expect(policy.stats).toMatchObject({ attempts: 3, successes: 1, failures: 2 })
  })

  test('does not try a host again whose name does not exist, but one whose lookup nobody answered', async () => {
    const policy = createReconnectPolicy({ ...fast, attempts: 2 })
    for (const [lookup, attempts] of [
      ['ENOTFOUND', 1],
      ['EAI_AGAIN', 2],
    ] as const) {
      const attempt = vi.fn(() =>
        Promise.reject(new PinfoldError('no host', { code: 'ERR_ADDRESS_UNREACHABLE', values: { lookup } })),
      )
      await expect(policy.run(attempt)).rejects.toMatchObject({ values: { lookup } })
      expect(attempt).toHaveBeenCalledTimes(attempts)
    }
  })

  test('gives up after its attempts, with the last error', async () => {
    const policy = createReconnectPolicy({ ...fast, attempts: 2 })
    await expect(policy.run(() => Promise.reject(refused()))).rejects.toMatchObject({ code: 'ERR_CONNECTION_REFUSED' })
    expect(policy.stats.attempts).toBe(2)
  })

  test('throws an error at once that no other attempt repairs', async () => {
    const policy = createReconnectPolicy(fast)
    const wrong = new PinfoldError('wrong', { code: 'ERR_INVALID_ARGUMENT' })
    await expect(policy.run(() => Promise.reject(wrong))).rejects.toBe(wrong)
    expect(policy.stats.attempts).toBe(1)
  })

  test('opens the circuit after failures in a row, and lets one attempt through later', async () => {
    const policy = createReconnectPolicy({ ...fast, attempts: 1, breakAfter: 2, breakFor: 50 })
    for (let failure = 0; failure < 2; failure++) await policy.run(() => Promise.reject(refused())).catch(() => {})
    expect(policy.isOpen).toBe(true)
    await expect(policy.run(async () => 1)).rejects.toMatchObject({ code: 'ERR_CONNECTION_CLOSED' })
    expect(policy.stats.refusedByBreaker).toBe(1)
    await vi.waitUntil(() => !policy.isOpen)
    expect(await policy.run(async () => 1)).toBe(1)
  })

  test('lets only one attempt through after the circuit was open, until it is decided', async () => {
    const policy = createReconnectPolicy({ ...fast, attempts: 1, breakAfter: 1, breakFor: 1 })
    await policy.run(() => Promise.reject(refused())).catch(() => {})
    await vi.waitUntil(() => !policy.isOpen)
    let succeed = (_: number) => {}
    const probe = policy.run(() => new Promise<number>((resolve) => (succeed = resolve)))
    await expect(policy.run(async () => 2)).rejects.toMatchObject({ code: 'ERR_CONNECTION_CLOSED' })
    succeed(1)
    expect(await probe).toBe(1)
    expect(await policy.run(async () => 3)).toBe(3)
  })

  test('stops for a signal while it waits', async () => {
    const policy = createReconnectPolicy({ firstDelay: 2 ** 30, longestDelay: 2 ** 30 })
    const abort = new AbortController()
    const running = policy.run(() => Promise.reject(refused()), { signal: abort.signal })
    await vi.waitUntil(() => policy.stats.attempts === 1)
    abort.abort()
    await expect(running).rejects.toMatchObject({ name: 'AbortError' })
  })
})
