import type { Benchmark } from './benchmark.js'
import { distribution } from './distribution.js'
import type { PageSupply } from './page-kinds.js'
import { formatVaried } from './render.js'
import type { BenchmarkReport, Point } from './report.js'
import { sampleInTurn } from './sampling.js'

/** The settings for the measurement of one benchmark. */
export interface Settings {
  readonly kinds: readonly string[]
  /** Ascending, in bytes. */
  readonly sizes: readonly number[]
  /** The seconds for all sizes together, approximately. */
  readonly seconds: number
  readonly leastTurns: number
}

/** Measures one benchmark, size by size. For each size, the kinds of pages take turns. */
export async function measure(
  benchmark: Benchmark,
  supply: PageSupply,
  { kinds, sizes, seconds, leastTurns }: Settings,
  progress: (text: string) => void,
): Promise<BenchmarkReport> {
  const { name, about, varied, variedIn, measured, unit } = benchmark
  const begin = performance.now()
  progress(`${name}: allocating …`)
  const { supplied, passedOver } = await supply.supply(kinds, benchmark.regionSize(Math.max(...sizes)))
  const points = supplied.map((): Point[] => [])
  for (const [index, size] of sizes.entries()) {
    if (supplied.length === 0) break
    progress(`${name}: ${formatVaried(size, variedIn)}, ${index + 1} of ${sizes.length} …`)
    const on = benchmark.prepare(size)
    const probes = supplied.map(({ region }) => on(region))
    const samples = await sampleInTurn(probes, { seconds: seconds / sizes.length, leastTurns })
    for (const probe of probes) probe.close?.()
    for (const [at, taken] of samples.entries()) {
      const figures = taken.map((seconds) => benchmark.figure(seconds, size))
      points[at]?.push({ size, ...distribution(figures), samples: figures.length })
    }
  }
  const series = supplied.map(({ region, borrowed }, at) => ({
    pages: region.pages,
    regionSize: region.size,
    hugeShare: region.hugeShare,
    borrowed,
    points: points[at] ?? [],
  }))
  return {
    name,
    about,
    varied,
    variedIn,
    measured,
    unit,
    series,
    passedOver: passedOver.map(({ pages, code, reason, hint = null }) => ({ pages, code, reason, hint })),
    seconds: (performance.now() - begin) / 1e3,
  }
}
