import { expect, test } from 'vitest'
import * as z from 'zod'
import { MiB } from '../../src/sizes.js'
import { Program } from '../support/child-process.js'
import { program } from '../support/returned-pages.js'

const sample = z.object({
  seconds: z.number(),
  heap: z.number(),
  rss: z.number(),
  descriptors: z.number(),
  mappings: z.number(),
})
type Sample = z.infer<typeof sample>
const report = z.object({
  steps: z.number(),
  made: z.number(),
  before: sample,
  after: sample,
  samples: z.array(sample),
  table: z.object({ live: z.number(), closed: z.number(), buffers: z.number() }),
  regions: z.number(),
})

/** The soak of ten minutes: PINFOLD_SOAK_MINUTES=10. */
const minutes = Number(process.env.PINFOLD_SOAK_MINUTES ?? 0.3)
const flags = ['--expose-gc', '--max-semi-space-size=1', '--disable-warning=PINFOLD_HELD']

/** The growth of a figure in an hour, by least squares. */
function slope(samples: readonly Sample[], figure: keyof Sample): number {
  const mean = (of: (one: Sample) => number) => samples.reduce((sum, one) => sum + of(one), 0) / samples.length
  const [time, value] = [mean(({ seconds }) => seconds), mean((one) => one[figure])]
  const covariance = mean((one) => (one.seconds - time) * (one[figure] - value))
  return (covariance / mean(({ seconds }) => (seconds - time) ** 2)) * 3600
}

test(
  `random work with all kinds of objects for ${minutes * 60} seconds leaves nothing behind`,
  async ({ annotate }) => {
    const seed = Number(process.env.PINFOLD_SEED ?? Math.floor(Math.random() * 2 ** 31))
    await using child = new Program(program('soak.mjs', [minutes * 60, seed], flags))
    const line = await child.line()
    expect({ seed, ...(await child.ended) }).toEqual({ seed, code: 0, signal: null, stderr: '' })
    const { steps, made, before, after, samples, table, regions } = report.parse(JSON.parse(line))
    const [heap, rss] = [slope(samples, 'heap') / MiB, slope(samples, 'rss') / MiB]
    const [descriptors, mappings] = [slope(samples, 'descriptors'), slope(samples, 'mappings')]
    await annotate(
      `${steps} steps and ${made} regions; in an hour this would be ${heap.toFixed(1)} MiB of heap, ` +
        `${rss.toFixed(0)} MiB of RSS, ${descriptors.toFixed(0)} descriptors and ${mappings.toFixed(0)} mappings more`,
    )
    expect(steps).toBeGreaterThan(1000)
    expect(regions).toBe(0)
    expect(table).toEqual({ live: 0, closed: 0, buffers: 0 })
    // A few descriptors are opened when they are first needed, and kept.
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 2)
    expect(after.mappings).toBeLessThan(before.mappings + 200)
    expect(after.heap).toBeLessThan(before.heap + 4 * MiB)
    expect(after.rss).toBeLessThan(before.rss + 48 * MiB)
  },
  minutes * 60_000 * 2 + 120_000,
)
