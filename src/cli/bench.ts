import { cpus, loadavg } from 'node:os'
import { defineCommand } from 'citty'
import { openRegistry } from '../registry/open-registry.js'
import { badArgument, commonArguments, parseCount, parseLength } from './arguments.js'
import type { Benchmark } from './bench/benchmark.js'
import { benchmarkNames, benchmarks } from './bench/benchmarks.js'
import { measure } from './bench/measure.js'
import { PageSupply, pageKinds, parsePageKinds } from './bench/page-kinds.js'
import { renderBenchmark, renderMachine } from './bench/render.js'
import type { BenchmarkReport, BenchReport } from './bench/report.js'
import { repairPools } from './demo/pages.js'
import { lookAtMachine } from './demo/steps.js'
import { exitCode } from './exit-code.js'
import { requireWritable, writePage } from './html-file.js'
import { Output } from './output.js'

const defaultSeconds = 15
const quickSeconds = 0.5

/** Measures what memory of each kind of pages is worth on this machine. */
export const bench = defineCommand({
  meta: {
    name: 'bench',
    description: 'Measure memory by kind of pages: random access, copies, buffer pools, packets',
  },
  args: {
    benchmark: {
      type: 'positional',
      description: `One of ${benchmarkNames.join(', ')} (default: all)`,
      required: false,
    },
    pages: {
      type: 'string',
      description: 'Kinds of pages: base,transparent,2MiB,1GiB (default: all up to 1GiB)',
      valueHint: 'kinds',
    },
    sizes: {
      type: 'string',
      description: 'Sizes to measure, if one benchmark is named: 1MiB,64MiB',
      valueHint: 'sizes',
    },
    seconds: {
      type: 'string',
      description: `About how long to sample each benchmark (default: ${defaultSeconds})`,
      valueHint: 'number',
    },
    html: { type: 'string', description: 'Also write a page with charts to this file', valueHint: 'file' },
    quick: { type: 'boolean', description: 'Measure few and small sizes, each benchmark for half a second' },
    ...commonArguments,
  },
  async run({ args }) {
    const output = new Output({ json: args.json === true })
    const quick = args.quick === true
    const chosen = chooseBenchmarks(args.benchmark)
    const kinds = args.pages === undefined ? pageKinds() : parsePageKinds(args.pages)
    const sizes = args.sizes === undefined ? undefined : parseSizes(args.sizes, chosen)
    const seconds =
      args.seconds === undefined ? (quick ? quickSeconds : defaultSeconds) : parseCount(args.seconds, 'seconds', 1)
    const writePage = args.html === undefined ? undefined : await pageWriter(args.html)

    repairPools()
    const machine = {
      ...lookAtMachine(),
      cpu: cpus()[0]?.model ?? 'unknown',
      cpus: cpus().length,
      load: { before: currentLoad(), after: currentLoad() },
    }
    output.piece(output.paint(renderMachine(machine), 'dim'))
    using supply = new PageSupply(await openRegistry({ regions: {} }))
    const reports: BenchmarkReport[] = []
    for (const benchmark of chosen) {
      const report = await measure(
        benchmark,
        supply,
        {
          kinds,
          sizes: sizes ?? affordable(quick ? benchmark.quickSizes : benchmark.sizes, benchmark, kinds.length),
          seconds,
          leastTurns: quick ? 1 : 3,
        },
        (text) => output.progress(text),
      )
      output.piece(`\n${renderBenchmark(report, output.paint)}`)
      reports.push(report)
    }
    const report: BenchReport = {
      schema: 'pinfold/bench/1',
      machine: { ...machine, load: { ...machine.load, after: currentLoad() } },
      quick,
      benchmarks: reports,
    }
    writePage?.(report)
    if (args.html !== undefined) output.piece(`\ncharts in ${args.html}`)
    if (args.json === true) output.report(report, () => '')
    const isMeasured = reports.every(({ series }) => series.length > 0)
    return isMeasured ? exitCode.ok : exitCode.short
  },
})

function chooseBenchmarks(name: string | undefined): readonly Benchmark[] {
  if (name === undefined) return benchmarks
  const found = benchmarks.find((benchmark) => benchmark.name === name)
  if (found === undefined) throw badArgument(`a benchmark (${benchmarkNames.join(', ')})`, name)
  return [found]
}

/** The sizes in ascending order, each once. */
function parseSizes(word: string, chosen: readonly Benchmark[]): number[] {
  const [benchmark, second] = chosen
  if (benchmark === undefined || second !== undefined) {
    throw badArgument(`the name of one benchmark with --sizes (${benchmarkNames.join(', ')})`, undefined)
  }
  const sizes = word.split(',').map((part) => {
    const size = parseLength(part)
    if (!benchmark.accepts.accepts(size)) throw badArgument(`${benchmark.accepts.text} for ${benchmark.name}`, part)
    return size
  })
  return [...new Set(sizes)].sort((one, other) => one - other)
}

/**
 * Returns a function that writes a report to a file as an HTML page. A file that cannot be written is refused here,
 * before anything is measured. The library that draws charts is loaded only here.
 */
async function pageWriter(path: string): Promise<(report: BenchReport) => void> {
  requireWritable(path)
  const { renderPage } = await import('./bench/html-page.js')
  return (report) => writePage(path, renderPage(report))
}

/**
 * The sizes whose regions, one for each kind of pages, take at most half of the available memory. The smallest size
 * always stays.
 */
function affordable(sizes: readonly number[], benchmark: Benchmark, kinds: number): readonly number[] {
  const most = process.availableMemory() / 2
  const [least] = sizes
  return sizes.filter((size) => size === least || benchmark.regionSize(size) * kinds <= most)
}

function currentLoad(): number {
  return loadavg()[0] ?? 0
}
