import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, test } from 'vitest'
import { lab, whyNoLab } from '../support/lab.js'
import { needs } from '../support/requirements.js'

beforeEach((context) => needs(context, whyNoLab()))

const script = (name: string) => fileURLToPath(new URL(`../support/programs/${name}`, import.meta.url))

/** The lines that programs printed, one JSON object each. With several hosts, a line begins with its host's number. */
function said(stdout: Buffer): Record<string, unknown>[] {
  const lines = stdout.toString().trim().split('\n')
  return lines.map((line) => JSON.parse(line.replace(/^\d\| /, '')))
}

const has = (of: Record<string, unknown>) => expect.arrayContaining([expect.objectContaining(of)])

describe('on Soft-RoCE', () => {
  test('registration respects limits, workers end during transfers, and a closed device lets its link be deleted', {
    timeout: 300_000,
  }, async () => {
    const { status, stdout, stderr } = await lab(['run', '--', process.execPath, script('rdma-in-lab.mjs')])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const heard = said(stdout)
    expect(heard).toEqual(
      has({
        devices: [
          ['rxe0', 'verbs'],
          ['loopback0', 'loopback'],
        ],
      }),
    )
    expect(heard).toEqual(
      has({ limited: 'ERR_MEMLOCK_LIMIT', syscall: 'ibv_reg_mr', hint: expect.stringMatching(/./) }),
    )
    expect(heard).toEqual(has({ terminated: 'all' }))
    expect(heard).toEqual(has({ early: 'blocked', status: 0, left: ['loopback0'] }))
  })

  test('a host accesses the memory of another host, loses the link, and accesses it again', {
    timeout: 300_000,
  }, async () => {
    const words = ['run', '--hosts', '2', '--time-limit', '240', '--', process.execPath, script('rdma-hosts.mjs')]
    const { status, stdout, stderr } = await lab(words)
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringMatching(/^host 0 ended .*; host 1 ended .*\n$/),
    })
    const heard = said(stdout)
    expect(heard).toEqual(has({ host: 1, transferred: Array(5).fill('SUCCESS'), readBack: true }))
    expect(heard).toEqual(has({ host: 0, received: ['SUCCESS'] }))
    expect(heard).toEqual(has({ host: 0, written: true, counter: '42' }))
    expect(heard).toEqual(has({ host: 0, event: 'PORT_ERR' }))
    // The second was seen once, in Soft-RoCE of Linux 6.1. Its reason is not known.
    expect(heard).toEqual(has({ host: 1, lost: expect.stringMatching(/^(RETRY_EXC|REM_INV_REQ)_ERR$/) }))
    expect(heard).toEqual(has({ host: 0, event: 'PORT_ACTIVE', now: 'ACTIVE' }))
    expect(heard).toEqual(has({ host: 1, again: ['SUCCESS'] }))
    expect(heard).toEqual(has({ host: 0, again: true }))
  })
})
