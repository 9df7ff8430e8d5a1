import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { KiB, MiB } from '../../src/sizes.js'
import { distribution, interleave, secondsSince } from '../measure.js'
import { pinfold } from '../package.js'
import { bytesAtMost, ratioAtMost } from '../row.js'
import type { Report, Suite } from '../suite.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const milliseconds = 1e3

export const suite: Suite = {
  about: 'costs of the package: time to import it, heap of a region, bytes of a translation',
  hugepages: 0,
  oneProcessor: true,
  async run(report) {
    await report.section('import of the package', () => importTime(report))
    await report.section('heap of a region', () => heapOfRegion(report))
    await report.section('memory of a translation', () => memoryOfTranslation(report))
  },
}

/** Times a plain Node process, without tsx, from start to end: with the import, and without it. */
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
    peer: { name: 'an empty program', value: taken.of('empty'), ratio: taken.excess('importing', 'empty') },
    target: ratioAtMost(0.65),
  })
}

/** Reachable bytes by kind, after all garbage has been collected. */
async function memoryInUse(): Promise<{ heap: number; buffers: number }> {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc')
  // Finalizers run in turns of the event loop after a collection, and V8 sweeps buffers on another thread. So the
  // figures are true when they do not change any more.
  let settled = 0
  let last = process.memoryUsage()
  for (let turn = 0; turn < 100 && settled < 3; turn++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 2))
    const now = process.memoryUsage()
    settled = now.external === last.external && Math.abs(now.heapUsed - last.heapUsed) < 1024 ? settled + 1 : 0
    last = now
  }
  return { heap: last.heapUsed, buffers: last.external }
}

async function heapOfRegion(report: Report): Promise<void> {
  const count = 1000
  const once = async () => {
    using memory = await pinfold.openRegistry({})
    const before = await memoryInUse()
    const regions = Array.from({ length: count }, (_, index) => {
      const region = memory.allocateSync(`region-${index}`, { size: 64 * KiB, pages: 'base' })
      region.bytes[0] = 1
      return region
    })
    const after = await memoryInUse()
    return (after.heap - before.heap) / regions.length
  }
  // The first call also counts everything that is made only once.
  await once()
  const perRegion: number[] = []
  while (perRegion.length < 7) perRegion.push(await once())
  report.add({
    name: 'heap of a region and its bytes',
    unit: 'B',
    scale: 1,
    value: distribution(perRegion),
    target: bytesAtMost(4 * KiB),
  })
}

/** Measures many translations at once, since V8's own heap grows and shrinks by 200 KiB, which must not count. */
async function memoryOfTranslation(report: Report): Promise<void> {
  const count = 100
  using memory = await pinfold.openRegistry({})
  const region = memory.allocateSync('translated', { size: 64 * MiB, pages: 'base' })
  const pages = count * (region.size / region.pageSize)
  type Ask = (translation: ReturnType<typeof region.translate>) => void
  // Each sample is a call of its own, since a function that continues keeps its last variables alive.
  const once = async (ask: Ask) => {
    const before = await memoryInUse()
    const translations = Array.from({ length: count }, () => region.translate())
    for (const translation of translations) ask(translation)
    const after = await memoryInUse()
    // This use keeps the translations alive until the memory was counted.
    for (const translation of translations) translation.physicalAt(0)
    return (after.heap + after.buffers - before.heap - before.buffers) / pages
  }
  const bytesForEachPage = async (ask: Ask) => {
    await once(ask)
    const samples: number[] = []
    while (samples.length < 7) samples.push(await once(ask))
    return distribution(samples)
  }
  report.add({
    name: 'translation, for each page',
    unit: 'B',
    scale: 1,
    value: await bytesForEachPage(() => {}),
    // The Translation itself takes some hundred bytes in addition.
    target: bytesAtMost(8, 0.1),
  })
  report.add({
    name: 'translation that was asked for an offset and for runs, for each page',
    unit: 'B',
    scale: 1,
    value: await bytesForEachPage((translation) => {
      translation.offsetOf(translation.physicalAt(0))
      translation.runs()
    }),
  })
}
