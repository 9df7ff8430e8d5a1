import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { KiB, MiB } from '../../src/sizes.js'
import { type Distribution, distribution, interleave, secondsSince } from '../measure.js'
import { pinfold } from '../package.js'
import { valueAtMost } from '../row.js'
import type { Report, Suite } from '../suite.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const milliseconds = 1e3

export const suite: Suite = {
  about: 'what the package costs: time to import it, heap of a region, bytes of a translation',
  hugepages: 0,
  async run(report) {
    await report.section('import of the package', () => importTime(report))
    await report.section('heap of a region', () => heapOfRegion(report))
    await report.section('memory of a translation', () => memoryOfTranslation(report))
  },
}

/** A plain Node process, without tsx, from start to end; the same with an import less. */
async function importTime(report: Report): Promise<void> {
  const child = (script: string) => async (rounds: number) => {
    const start = process.hrtime.bigint()
    for (let round = 0; round < rounds; round++) {
      const node = spawn(process.execPath, ['--input-type=module', '--eval', script], { cwd: root, stdio: 'inherit' })
      const status = await new Promise((resolve, reject) => node.on('error', reject).on('close', resolve))
      if (status !== 0) throw new Error(`a child that ran "${script}" ended with ${status}`)
    }
    return secondsSince(start)
  }
  const contenders = { importing: child("import 'pinfold'"), empty: child('') }
  const taken = await interleave(contenders, { samples: 31, warmUp: 3, rounds: 1 })
  report.add({
    name: "import 'pinfold', beyond an empty program",
    unit: 'ms',
    scale: milliseconds,
    value: taken.difference('importing', 'empty'),
    peer: { name: 'an empty program', value: taken.of('empty'), ratio: taken.ratio('importing', 'empty') },
    target: valueAtMost(40, 'ms'),
    note: 'the ratio is of the whole programs',
  })
}

/** Bytes that are reachable, by their kind, when all garbage has gone. */
async function memoryInUse(): Promise<{ heap: number; buffers: number }> {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc')
  // Finalizers run in turns of the event loop after a collection, and free more.
  for (let turn = 0; turn < 4; turn++) {
    globalThis.gc()
    await new Promise(setImmediate)
  }
  const { heapUsed, external } = process.memoryUsage()
  return { heap: heapUsed, buffers: external }
}

async function heapOfRegion(report: Report): Promise<void> {
  const count = 1000
  const perRegion: number[] = []
  for (let sample = 0; sample < 7; sample++) {
    using memory = await pinfold.openRegistry({})
    const before = await memoryInUse()
    const regions = Array.from({ length: count }, (_, index) => {
      const region = memory.allocateSync(`region-${index}`, { size: 64 * KiB, pages: 'base' })
      region.bytes[0] = 1
      return region
    })
    const after = await memoryInUse()
    // The first sample also pays for what is made once.
    if (sample > 0) perRegion.push((after.heap - before.heap) / regions.length)
  }
  report.add({
    name: 'heap of a region and its bytes',
    unit: 'B',
    scale: 1,
    value: distribution(perRegion),
    target: valueAtMost(4 * KiB, 'B'),
  })
}

async function memoryOfTranslation(report: Report): Promise<void> {
  using memory = await pinfold.openRegistry({})
  const small = memory.allocateSync('small', { size: 8 * MiB, pages: 'base' })
  const large = memory.allocateSync('large', { size: 72 * MiB, pages: 'base' })
  const pages = (large.size - small.size) / small.pageSize
  const bytes = async (region: typeof small, use: (translation: ReturnType<typeof region.translate>) => void) => {
    const before = await memoryInUse()
    const translation = region.translate()
    use(translation)
    const after = await memoryInUse()
    // Used here, so that it was alive when the memory was counted.
    translation.physicalAt(0)
    return after.heap + after.buffers - before.heap - before.buffers
  }
  const slope = async (use: Parameters<typeof bytes>[1]): Promise<Distribution> => {
    const samples: number[] = []
    await bytes(large, use)
    for (let sample = 0; sample < 9; sample++) {
      samples.push(((await bytes(large, use)) - (await bytes(small, use))) / pages)
    }
    return distribution(samples)
  }
  const plain = await slope(() => {})
  // Heap counts are good to some hundred bytes, which is a hundredth of a byte a page here.
  report.add({
    name: 'translation, for each page',
    unit: 'B',
    scale: 1,
    value: { ...plain, median: Math.round(plain.median * 10) / 10 },
    target: valueAtMost(8, 'B'),
  })
  report.add({
    name: 'translation that was asked offsetOf and runs, for each page',
    unit: 'B',
    scale: 1,
    value: await slope((translation) => {
      translation.offsetOf(translation.physicalAt(0))
      translation.runs()
    }),
  })
}
