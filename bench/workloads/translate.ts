import { freemem } from 'node:os'
import { GiB, KiB, MiB } from '../../src/sizes.js'
import { interleave, oneIn, roundsFor, timed } from '../measure.js'
import { pinfold } from '../package.js'
import { Peer } from '../peer.js'
import { ratioAtMost } from '../row.js'
import type { Report, Suite } from '../suite.js'

const pages = 512
const floorPages = 32
const nanoseconds = 1e9
const milliseconds = 1e3

export const suite: Suite = {
  about: 'physicalAt and offsetOf on a translation; making one of 1 GiB, beside SPDK, DPDK and bulk pagemap reads',
  hugepages: pages + floorPages,
  oneProcessor: true,
  async run(report) {
    await report.section('look-ups in a translation of 512 pages of 2 MiB', () => lookUps(report))
    await report.section('translate 1 GiB of 2 MiB pages', () => translateHugepages(report))
    await report.section('translate base pages', () => translateBasePages(report))
  },
}

/** 1 GiB whose 2 MiB pages lie in no order, as from a hugepage pool that has been in use for a while. */
function scatteredRegion(memory: Awaited<ReturnType<typeof pinfold.openRegistry>>) {
  // The hugepage pool gives its most recently freed page first. So pages that are freed in random order come back in
  // random order.
  const singles = Array.from({ length: pages }, (_, page) =>
    memory.allocateSync(`single-${page}`, { size: 2 * MiB, pages: '2MiB' }),
  )
  for (const page of shuffled(pages)) singles[page]?.close()
  return memory.allocateSync('scattered', { size: pages * 2 * MiB, pages: '2MiB' })
}

function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index)
  for (let left = count - 1; left > 0; left--) {
    const other = Math.floor(Math.random() * (left + 1))
    const kept = order[left] ?? 0
    order[left] = order[other] ?? 0
    order[other] = kept
  }
  return order
}

async function lookUps(report: Report): Promise<void> {
  using memory = await pinfold.openRegistry({})
  const region = scatteredRegion(memory)
  const translation = region.translate()
  const runs = translation.runs().length
  const note = `the 512 pages lie in ${runs} runs`

  // Both sides read random offsets from a table of this size, which stays in the first-level cache.
  const offsets = Uint32Array.from({ length: 4096 }, () => Math.floor(Math.random() * region.size))
  const physicalAt = timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) sum += translation.physicalAt(offsets[round & 4095] ?? 0)
    return sum
  })
  {
    await using spdk = await Peer.start('spdk_vtophys', pages)
    const contenders = { physicalAt, spdk: spdk.contender('random') }
    const taken = await interleave(contenders, { samples: 401, warmUp: 20, rounds: 400_000 })
    report.add({
      name: 'physicalAt, random offsets',
      unit: 'ns',
      scale: nanoseconds,
      value: taken.of('physicalAt'),
      peer: { name: 'spdk_vtophys', value: taken.of('spdk'), ratio: taken.ratio('physicalAt', 'spdk') },
      target: ratioAtMost(0.75),
    })
  }

  const addresses = Float64Array.from(offsets, (offset) => translation.physicalAt(offset))
  const offsetOf = timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) sum += translation.offsetOf(addresses[round & 4095] ?? 0)
    return sum
  })
  await using dpdk = await Peer.start('rte_mem_iova2virt', pages)
  const anyPage = { offsetOf, dpdk: oneIn(500, dpdk.contender('any')) }
  const any = await interleave(anyPage, { samples: 301, warmUp: 20, rounds: 100_000 })
  report.add({
    name: 'offsetOf, random pages',
    unit: 'ns',
    scale: nanoseconds,
    value: any.of('offsetOf'),
    peer: { name: 'rte_mem_iova2virt', value: any.of('dpdk'), ratio: any.ratio('offsetOf', 'dpdk') },
    target: ratioAtMost(0.005),
    note,
  })

  // This finds the slowest of the 512 pages. Each page is looked up alone, many times, so that no fast page hides a
  // slow one.
  let page = 0
  const samePage = timed((rounds) => {
    const address = translation.physicalAt(page * 2 * MiB)
    let sum = 0
    for (let round = 0; round < rounds; round++) sum += translation.offsetOf(address + (round & 0xfff))
    return sum
  })
  await roundsFor(samePage, 0.1)
  let slowest = { page: 0, seconds: 0 }
  for (page = 0; page < pages; page++) {
    const seconds = (await interleave({ samePage }, { samples: 9, warmUp: 1, rounds: 5000 })).of('samePage').median
    if (seconds > slowest.seconds) slowest = { page, seconds }
  }
  page = slowest.page
  const slowestPage = { samePage, dpdk: oneIn(500, dpdk.contender('last')) }
  const worst = await interleave(slowestPage, { samples: 201, warmUp: 20, rounds: 50_000 })
  report.add({
    name: 'offsetOf, the slowest page of 512',
    unit: 'ns',
    scale: nanoseconds,
    value: worst.of('samePage'),
    peer: { name: 'rte_mem_iova2virt', value: worst.of('dpdk'), ratio: worst.ratio('samePage', 'dpdk') },
    target: ratioAtMost(0.005),
    note,
  })
}

async function translateHugepages(report: Report): Promise<void> {
  using memory = await pinfold.openRegistry({})
  const region = memory.allocateSync('translated', { size: pages * 2 * MiB, pages: '2MiB' })
  await using kernel = await Peer.start('pagemap', floorPages, 2 * MiB)
  const translate = timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) sum += region.translate().pageCount
    return sum
  })
  // A round of the peer is one page. A round here takes as many of them as the region has pages.
  const preads = async (rounds: number) => kernel.run('hugepages', rounds * pages)
  const taken = await interleave({ translate, preads }, { samples: 301, warmUp: 20, rounds: 2 })
  report.add({
    name: 'translate 1 GiB of 2 MiB pages',
    unit: 'ms',
    scale: milliseconds,
    value: taken.of('translate'),
    peer: { name: '512 preads', value: taken.of('preads'), ratio: taken.ratio('translate', 'preads') },
    target: ratioAtMost(1.25),
  })
}

async function translateBasePages(report: Report): Promise<void> {
  const size = freemem() > 3 * GiB ? GiB : 128 * MiB
  using memory = await pinfold.openRegistry({})
  const region = memory.allocateSync('translated', { size, pages: 'base' })
  const count = size / region.pageSize
  await using kernel = await Peer.start('pagemap', 0, 0, process.pid, `${region.address}`, size)
  const translate = timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) sum += region.translate().pageCount
    return sum
  })
  const contenders = { translate, bulk: kernel.contender('bulk') }
  const taken = await interleave(contenders, { samples: 61, warmUp: 5, rounds: 1 })
  report.add({
    name: `translate ${size === GiB ? '1 GiB' : '128 MiB'} of ${region.pageSize / KiB}K pages`,
    unit: 'ns/page',
    scale: nanoseconds / count,
    value: taken.of('translate'),
    peer: { name: 'bulk pagemap read', value: taken.of('bulk'), ratio: taken.ratio('translate', 'bulk') },
    target: ratioAtMost(1.15),
    note: `the ${count} pages lie in ${region.translate().runs().length} runs`,
  })
}
