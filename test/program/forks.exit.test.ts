import { readFileSync } from 'node:fs'
import { beforeEach, expect, test } from 'vitest'
import * as z from 'zod'
import { Program } from '../support/child-process.js'
import { needs, whyNotPages, whyNotPhysical } from '../support/requirements.js'
import { program } from '../support/returned-pages.js'

const report = z.object({ written: z.number(), moved: z.record(z.string(), z.number()) })

beforeEach((context) => needs(context, whyNotPhysical, whyNotPages(8)))

/** Pages that the kernel has migrated since boot, for example to compact memory when another process raises a pool. */
function migrations(): number {
  return Number(/^pgmigrate_success (\d+)$/m.exec(readFileSync('/proc/vmstat', 'latin1'))?.[1] ?? 0)
}

/** The report of 100 forks. They are repeated, a few times at most, if the kernel migrated any page meanwhile. */
async function forked(): Promise<z.infer<typeof report>> {
  for (let tries = 1; ; tries++) {
    const before = migrations()
    await using child = new Program(program('forks.mjs', [100]))
    const result = report.parse(JSON.parse(await child.line()))
    expect(await child.ended).toEqual({ code: 0, signal: null, stderr: '' })
    if (migrations() === before || tries === 5) return result
  }
}

test('no page moves over 100 spawnSync calls while a worker writes to all of them', async () => {
  const { written, moved } = await forked()
  expect(moved).toEqual({ 'hugetlb-memfd': 0, 'hugetlb-anonymous': 0, 'base-memfd': 0, 'base-anonymous': 0 })
  expect(written).toBeGreaterThan(100)
})
