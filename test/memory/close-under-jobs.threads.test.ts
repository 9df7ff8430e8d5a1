import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { borrowHugepages } from '../../src/hugepages/index.js'
import { MiB } from '../../src/sizes.js'
import { Program } from '../support/child-process.js'
import { needs, whyNotPools, whyNotTransfer } from '../support/requirements.js'

// Each scenario runs in a process of its own, since a bug would crash the process (design.md, law 1).

const size = 8 * MiB

async function survivors<Result extends z.ZodType>(scenario: string, pages: string, result: Result) {
  using _loan = pages === '2MiB' ? borrowHugepages({ pageSize: '2MiB', pages: 8 }) : undefined
  await using program = new Program([
    process.execPath,
    '--expose-gc',
    'test/support/programs/close-under.mjs',
    scenario,
    pages,
  ])
  const line = await program.line()
  expect(await program.ended).toEqual({ code: 0, signal: null, stderr: '' })
  return z.array(result).parse(JSON.parse(line))
}

describe.each(['base', 'transparent', '2MiB'])('a region on %s pages', (pages) => {
  beforeEach((context) => needs(context, pages === '2MiB' ? whyNotPools() : undefined))

  test.each(['zlib', 'randomFill', 'read', 'write'])(
    'can be closed under a running %s job, and the process goes on',
    async (scenario) => {
      const job = z.union([z.strictObject({ length: z.literal(0) }), z.strictObject({ failed: z.boolean() })])
      const results = await survivors(scenario, pages, job)
      expect(results).toHaveLength(20)
    },
  )

  test('reads as zeros through a buffer that was moved away before it was closed', async (context) => {
    needs(context, whyNotTransfer)
    const read = z.strictObject({ before: z.literal(7), after: z.literal(0), sum: z.literal(0) })
    expect(await survivors('transfer', pages, read)).toHaveLength(10)
  })

  test('can be copied by structuredClone, and the copy outlives it', async () => {
    const copy = z.strictObject({ before: z.literal(7), after: z.literal(7), sum: z.number().min(size / 2) })
    expect(await survivors('structuredClone', pages, copy)).toHaveLength(10)
  })

  test.each(['cloneTransferred', 'postMessage'])('cannot be taken away from its program by %s', async (scenario) => {
    expect(await survivors(scenario, pages, z.strictObject({ refused: z.boolean() }))).toHaveLength(10)
  })
})
