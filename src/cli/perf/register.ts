import { defineCommand } from 'citty'
import { hostFacts } from '../../perf/host-facts.js'
import { measureRegistration, registeredBytes } from '../../perf/register.js'
import { type RegisterReport, type RegisterResult, reportSchema } from '../../perf/report.js'
import { openDevice } from '../../rdma/devices/open-device.js'
import { openRegistry } from '../../registry/open-registry.js'
import { formatSize, KiB, MiB } from '../../sizes.js'
import { badArgument, commonArguments, parseCount, parseLength } from '../arguments.js'
import { PageSupply, pageKinds, parsePageKinds } from '../bench/page-kinds.js'
import { significant } from '../bench/render.js'
import { repairPools } from '../demo/pages.js'
import { exitCode } from '../exit-code.js'
import { requireWritable } from '../html-file.js'
import { Output, type Paint, renderTable } from '../output.js'
import { readPackageVersion } from '../package-version.js'
import { writeCharts } from './page.js'

const defaultSizes = [4 * KiB, 64 * KiB, MiB, 16 * MiB]
const defaultRounds = 100
const mostThreads = 256

/** Measures the cost of registration, which no tool of perftest does. */
export const register = defineCommand({
  meta: { name: 'register', description: 'Measure what registering memory with a device costs, by size and pages' },
  args: {
    device: { type: 'string', alias: 'd', description: 'The RDMA device (default: the first one)', valueHint: 'name' },
    size: {
      type: 'string',
      alias: 's',
      description: 'Bytes of one registration: 4KiB,1MiB (default: 4KiB,64KiB,1MiB,16MiB)',
      valueHint: 'sizes',
    },
    pages: {
      type: 'string',
      description: 'Kinds of pages: base,transparent,2MiB,1GiB (default: all up to 1GiB)',
      valueHint: 'kinds',
    },
    threads: {
      type: 'string',
      description: 'Threads that register at the same time, each its own part of one region: 1,4 (default: 1)',
      valueHint: 'numbers',
    },
    iterations: {
      type: 'string',
      alias: 'n',
      description: `Registrations of each thread, 2 or more (default: ${defaultRounds})`,
      valueHint: 'number',
    },
    html: { type: 'string', description: 'Also write a page with charts to this file', valueHint: 'file' },
    ...commonArguments,
  },
  async run({ args }) {
    const output = new Output({ json: args.json === true })
    const sizes = args.size === undefined ? defaultSizes : args.size.split(',').map(parseLength)
    const kinds = args.pages === undefined ? pageKinds() : parsePageKinds(args.pages)
    const threads = args.threads === undefined ? [1] : args.threads.split(',').map(parseThreads)
    const rounds = args.iterations === undefined ? defaultRounds : parseCount(args.iterations, 'iterations', 2)
    if (args.html !== undefined) requireWritable(args.html)
    using device = openDevice(args.device === 'loopback' ? { loopback: true } : args.device)
    const local = hostFacts(device, { port: 1, pinned: false, memory: null })
    const time = new Date().toISOString()

    repairPools()
    using supply = new PageSupply(await openRegistry({ regions: {} }))
    const largest = registeredBytes({ bytes: Math.max(...sizes), threads: Math.max(...threads) })
    const { supplied, passedOver } = await supply.supply(kinds, largest)
    const results: RegisterResult[] = []
    for (const { region } of supplied) {
      for (const threadCount of threads) {
        for (const bytes of sizes) {
          output.progress(`${region.pages}: ${formatSize(bytes)} in ${threadCount} threads …`)
          const shape = { device: device.name, bytes, threads: threadCount, rounds }
          results.push(await measureRegistration(region, shape))
        }
      }
    }
    const report: RegisterReport = {
      schema: reportSchema,
      tool: 'register',
      pinfold: readPackageVersion(),
      time,
      local,
      options: { device: device.name, sizes, pages: kinds, threads, iterations: rounds },
      results,
      passedOver: passedOver.map(({ pages, code, reason, hint }) => ({ pages, code, reason, hint: hint ?? null })),
    }
    output.report(report, renderRegister)
    if (args.html !== undefined && results.length > 0) await writeCharts(args.html, [report])
    return results.length > 0 ? exitCode.ok : exitCode.short
  },
})

function parseThreads(word: string): number {
  const threads = parseCount(word, 'threads', 1)
  if (threads > mostThreads) throw badArgument(`at most ${mostThreads} threads`, word)
  return threads
}

function renderRegister({ local, results, passedOver }: RegisterReport, paint: Paint): string {
  const { device, kernel, cpus } = local
  const columns = [
    { title: 'pages' },
    ...['threads', 'size', 'first', 'register p50', 'p99', 'close p50', 'p99', 'per page', 'per GiB'].map((title) => ({
      title,
      align: 'right' as const,
    })),
  ]
  const rows = results.map(({ memory, threads, bytes, first, register, close, ...costs }) => [
    memory.pages,
    String(threads),
    formatSize(bytes),
    ...[
      first.percentiles.p50,
      register.percentiles.p50,
      register.percentiles.p99,
      close.percentiles.p50,
      close.percentiles.p99,
      costs.nanosecondsPerPage,
      costs.nanosecondsPerGibibyte,
    ].map((nanoseconds) => significant(nanoseconds / 1000)),
  ])
  return [
    paint(`${device.name} (${device.kind}), Linux ${kernel}, CPUs ${cpus}; microseconds`, 'dim'),
    ...(rows.length > 0 ? [renderTable(columns, rows, paint)] : []),
    ...passedOver.map(({ pages, reason }) => `${paint(pages, 'yellow')} passed over: ${reason}`),
  ].join('\n')
}
