import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { MiB } from '../../src/sizes.js'
import { Program } from '../support/child-process.js'
import { whyNotPages } from '../support/requirements.js'
import { poolAsItIs, program } from '../support/returned-pages.js'

const counts = z.object({
  rss: z.number(),
  descriptors: z.number(),
  mappings: z.number(),
  table: z.object({ live: z.number(), closed: z.number(), buffers: z.number() }),
})
const report = z.object({
  before: counts,
  most: z.number().optional(),
  atOnce: counts,
  after: counts,
  stats: z.object({ regions: z.number() }),
})

// With room for 1 MiB of young objects, V8's heap soon reaches its full size. Otherwise it grows in steps for minutes.
const flags = ['--expose-gc', '--max-semi-space-size=1']

async function reportOf(how: string, rounds: number, pages: string) {
  await using child = new Program(program('rounds.mjs', [how, rounds, pages], flags))
  const line = await child.line()
  expect(await child.ended).toEqual({ code: 0, signal: null, stderr: '' })
  return report.parse(JSON.parse(line))
}

const pages = whyNotPages(1) === undefined ? '2MiB' : 'base'
// V8's heap and malloc's arenas grow and shrink by some MiB and some mappings.
const breath = 16 * MiB

test(`10,000 rounds of allocate and close grow nothing (${pages})`, async () => {
  const poolIsBack = poolAsItIs()
  const { before, after, stats } = await reportOf('turns', 10_000, pages)
  expect(stats.regions).toBe(0)
  expect(after.table).toEqual({ live: 0, closed: 0, buffers: 0 })
  expect(after.descriptors).toBeLessThanOrEqual(before.descriptors)
  expect(after.mappings).toBeLessThan(before.mappings + 100)
  expect(after.rss).toBeLessThan(before.rss + breath)
  await poolIsBack()
})

test(`100,000 rounds of allocateSync, view and close in one tick stay below vm.max_map_count (${pages})`, async ({
  annotate,
}) => {
  const rounds = 100_000
  const poolIsBack = poolAsItIs()
  const { before, most, atOnce, after } = await reportOf('tick', rounds, pages)
  await annotate(
    `at most ${most} mappings, ${atOnce.table.closed} ranges were kept for ${atOnce.table.buffers} buffers`,
  )
  const limit = Number(readFileSync('/proc/sys/vm/max_map_count', 'latin1'))
  expect(most).toBeLessThan(limit / 8)
  // No finalizer could run, so every range was still kept for its view, unless the engine collected in between.
  expect(atOnce.table.live).toBe(0)
  expect(after.table).toEqual({ live: 0, closed: 0, buffers: 0 })
  expect(after.mappings).toBeLessThan(before.mappings + 100)
  await poolIsBack()
})
