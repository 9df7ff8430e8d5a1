import { GiB, MiB } from '../../src/sizes.js'
import { interleave, secondsSince, timed } from '../measure.js'
import { pinfold } from '../package.js'
import { Peer } from '../peer.js'
import { ratioAtLeast, ratioAtMost } from '../row.js'
import type { Report, Suite } from '../suite.js'

const milliseconds = 1e3
const microseconds = 1e6

export const suite: Suite = {
  about: 'making 1 GiB of 2 MiB pages with one and two threads, and a short-lived region, beside the bare system calls',
  hugepages: GiB / (2 * MiB),
  oneProcessor: false,
  async run(report) {
    await report.section('allocate and populate 1 GiB', () => populate(report))
    await report.section('allocate and close 2 MiB', () => cycle(report))
  },
}

async function populate(report: Report): Promise<void> {
  using memory = await pinfold.openRegistry({})
  await using kernel = await Peer.start('populate', GiB, 2 * MiB)
  // Only the allocation is timed, here and in C. The region is closed before the next sample needs its pages.
  const allocate = (threads: number) => async (rounds: number) => {
    let seconds = 0
    for (let round = 0; round < rounds; round++) {
      const start = process.hrtime.bigint()
      const region = await memory.allocate('populated', { size: GiB, pages: '2MiB', threads })
      seconds += secondsSince(start)
      region.close()
    }
    return seconds
  }
  const taken = await interleave(
    {
      one: allocate(1),
      mmap: kernel.contender('mmap'),
      two: allocate(2),
      oneInC: kernel.contender('memfd-1'),
      twoInC: kernel.contender('memfd-2'),
    },
    { samples: 31, warmUp: 3, rounds: 1 },
  )
  const figure = { unit: 'ms', scale: milliseconds }
  report.add({
    ...figure,
    name: 'allocate 1 GiB of 2 MiB pages, 1 thread',
    value: taken.of('one'),
    peer: { name: 'mmap(MAP_POPULATE)', value: taken.of('mmap'), ratio: taken.ratio('one', 'mmap') },
    target: ratioAtMost(1.03),
    note: `${taken.ratio('one', 'oneInC').median.toFixed(2)} x one C thread that populates a memfd, as ours does`,
  })
  report.add({
    ...figure,
    name: 'allocate 1 GiB of 2 MiB pages, 2 threads',
    value: taken.of('two'),
    peer: { name: 'the same two threads in C', value: taken.of('twoInC'), ratio: taken.ratio('two', 'twoInC') },
    target: ratioAtMost(1.03),
  })
  report.add({
    name: 'allocate 1 GiB, 2 threads: times faster than 1',
    unit: 'x',
    scale: 1,
    value: taken.ratio('one', 'two'),
    peer: {
      name: 'the same in C',
      value: taken.ratio('oneInC', 'twoInC'),
      ratio: taken.ratioOfRatios(['one', 'two'], ['oneInC', 'twoInC']),
    },
    target: ratioAtLeast(0.85),
  })
}

async function cycle(report: Report): Promise<void> {
  using memory = await pinfold.openRegistry({})
  await using kernel = await Peer.start('populate', 2 * MiB, 2 * MiB)
  const unused = timed((rounds) => {
    for (let round = 0; round < rounds; round++) memory.allocateSync('short', { size: 2 * MiB, pages: '2MiB' }).close()
    return rounds
  })
  // A region whose bytes were used keeps its address range until the garbage collector has run, and costs more.
  const used = timed((rounds) => {
    for (let round = 0; round < rounds; round++) {
      const region = memory.allocateSync('short', { size: 2 * MiB, pages: '2MiB' })
      region.bytes[0] = 1
      region.close()
    }
    return rounds
  })
  const taken = await interleave(
    { unused, used, kernel: kernel.contender('cycle') },
    { samples: 401, warmUp: 20, rounds: 10 },
  )
  for (const [of, what, limit] of [
    ['unused', 'allocate and close 2 MiB', 1.5],
    ['used', 'allocate, write and close 2 MiB', 2],
  ] as const) {
    report.add({
      name: what,
      unit: 'us',
      scale: microseconds,
      value: taken.of(of),
      peer: { name: 'mmap and munmap', value: taken.of('kernel'), ratio: taken.ratio(of, 'kernel') },
      target: ratioAtMost(limit),
    })
  }
}
