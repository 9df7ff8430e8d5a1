import { fileURLToPath } from 'node:url'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { lab, whyNoLab } from '../support/lab.js'
import { needs } from '../support/requirements.js'

/** A line that test/support/programs/memory-in-lab.mjs prints. */
interface Said {
  readonly limit?: string
  readonly way?: string
  readonly backing?: string
  readonly regions?: number
}

let said: readonly Said[] = []

beforeAll(async () => {
  if (whyNoLab() !== undefined) return
  const script = fileURLToPath(new URL('../support/programs/memory-in-lab.mjs', import.meta.url))
  const { status, stdout, stderr } = await lab(['run', '--', process.execPath, script])
  if (status !== 0) throw new Error(`the lab ended with ${status}: ${stderr}`)
  const lines = stdout.toString().trim().split('\n')
  said = lines.map((line) => JSON.parse(line))
}, 600_000)

beforeEach((context) => needs(context, whyNoLab()))

describe('an allocation beyond the limit of a memory cgroup of version 2', () => {
  test.each([
    ['max', 'together'],
    ['max', 'threads'],
    ['max', 'small'],
    ['high', 'together'],
  ])('is refused, and its process is neither killed nor throttled: memory.%s, %s', (limit, way) => {
    const found = said.find((one) => one.limit === limit && one.way === way)
    expect(found).toMatchObject({
      ...{ status: 0, signal: null, stderr: '' },
      refusals: { ERR_CGROUP_LIMIT: expect.any(Number) },
    })
    expect(found?.regions).toBeGreaterThan(0)
  })
})

describe('an allocation beyond the commit limit of a kernel that does not overcommit', () => {
  test.each(['memfd', 'anonymous'])(
    'is refused with the limit, and succeeds after the command of the hint (%s)',
    (backing) => {
      expect(said.find((one) => one.backing === backing)).toMatchObject({
        code: 'ERR_MEMORY_SHORT',
        values: { commitLimit: expect.any(Number), committed: expect.any(Number) },
        hint: expect.stringMatching(/^sudo sysctl -w vm\.overcommit_kbytes=\d+$/),
      })
    },
  )
})
