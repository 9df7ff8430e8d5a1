import { MiB } from '../../src/sizes.js'
import { type Contender, interleave, timed } from '../measure.js'
import { pinfold } from '../package.js'
import { Peer } from '../peer.js'
import { rateAtLeast, type Target } from '../row.js'
import type { Report, Suite } from '../suite.js'

const count = 1024
const nanoseconds = 1e9

export const suite: Suite = {
  about: 'values through a ring, by one thread and by two, beside rte_ring of DPDK',
  // One for ours, and what DPDK takes for itself.
  hugepages: 16,
  oneProcessor: true,
  async run(report) {
    await report.section('ring', () => measureAlone(report))
  },
}

interface Shape {
  readonly name: string
  readonly threads: 'one' | 'many'
  readonly burst: number
  readonly target?: Target
}

const shapes: readonly Shape[] = [
  { name: 'single_1', threads: 'one', burst: 1 },
  { name: 'single_8', threads: 'one', burst: 8 },
  { name: 'single_32', threads: 'one', burst: 32, target: rateAtLeast(0.9) },
  { name: 'shared_1', threads: 'many', burst: 1, target: rateAtLeast(0.45) },
  { name: 'shared_8', threads: 'many', burst: 8 },
  { name: 'shared_32', threads: 'many', burst: 32, target: rateAtLeast(0.55) },
]

async function measureAlone(report: Report): Promise<void> {
  using memory = pinfold.openRegistrySync({})
  const region = memory.allocateSync('rings', { size: 2 * MiB, pages: '2MiB' })
  await using dpdk = await Peer.start('dpdk_ring', count)
  const bytes = pinfold.ringBytes(count)
  for (const [place, { name, threads, burst, target }] of shapes.entries()) {
    const slice = region.slice(place * bytes, bytes)
    using ring = pinfold.createRing(slice, { count, producers: threads, consumers: threads })
    const ours = burst === 1 ? single(ring) : bulk(ring, burst)
    const taken = await interleave({ ours, dpdk: dpdk.contender(name) }, { samples: 401, warmUp: 40, rounds: 20_000 })
    report.add({
      name: `ring ${threads === 'one' ? 'SP/SC' : 'MP/MC'}, n = ${burst}, a value in and out`,
      unit: 'ns',
      scale: nanoseconds / burst,
      value: taken.of('ours'),
      peer: { name: 'rte_ring', value: taken.of('dpdk'), ratio: taken.ratio('ours', 'dpdk') },
      ...(target === undefined ? {} : { target }),
    })
  }
}

type Ring = ReturnType<typeof pinfold.createRing>

function single(ring: Ring): Contender {
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      ring.enqueue(round)
      sum += ring.dequeue()
    }
    return sum
  })
}

function bulk(ring: Ring, burst: number): Contender {
  const values = Uint32Array.from({ length: burst }, (_, index) => index)
  const out = new Uint32Array(burst)
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      values[0] = round
      sum += ring.enqueueBulk(values, burst)
      sum += ring.dequeueBulk(out, burst)
      sum += out[0] ?? 0
    }
    return sum
  })
}
