import { MiB } from '../../src/sizes.js'
import { type Contender, interleave, timed } from '../measure.js'
import { pinfold } from '../package.js'
import { Peer } from '../peer.js'
import { rateAtLeast, type Target } from '../row.js'
import type { Report, Suite } from '../suite.js'

const count = 16_384
const bufferSize = 2048 + 128
const nanoseconds = 1e9

type Packets = ReturnType<typeof pinfold.createPackets>

interface Shape {
  /** Name of the part of the suite that measures this row. */
  readonly name: string
  /** Name of the peer's workload, if it is another one. */
  readonly peer?: string
  readonly what: string
  /** Packets a round, and rounds a sample. */
  readonly packets: number
  readonly rounds: number
  readonly ours: (packets: Packets) => Contender
  readonly target?: Target
}

const shapes: readonly Shape[] = [
  {
    name: 'burst_single',
    what: 'allocate and free, 32 at a time',
    packets: 32,
    rounds: 1000,
    ours: burstSingle,
    target: rateAtLeast(1.2),
  },
  {
    name: 'keep_single',
    what: 'allocate and free, keep 512',
    packets: 512,
    rounds: 100,
    ours: keepSingle,
    target: rateAtLeast(1.2),
  },
  {
    name: 'burst_bulk',
    what: 'allocateBulk and freeBulk, n = 32',
    packets: 32,
    rounds: 2000,
    ours: burstBulk,
    target: rateAtLeast(2.2),
  },
  {
    name: 'keep_bulk',
    what: 'allocateBulk and freeBulk, n = 32, keep 512',
    packets: 512,
    rounds: 200,
    ours: keepBulk,
    target: rateAtLeast(2.4),
  },
  {
    name: 'callers_burst_bulk',
    peer: 'burst_bulk',
    what: 'allocateBulk and freeBulk, n = 32, an array of the caller',
    packets: 32,
    rounds: 2000,
    ours: (packets) => burstBulk(packets, new Uint32Array(32)),
  },
]

export const suite: Suite = {
  about: 'packets allocated and freed, by one thread, beside rte_mbuf of DPDK',
  // 44 MiB for our packets; the rest for DPDK and its 16,384 packets.
  hugepages: 80,
  oneProcessor: true,
  parts: shapes.map(({ name }) => name),
  async run(report, part) {
    const shape = shapes.find(({ name }) => name === part)
    if (shape !== undefined) await report.section(`packet ${shape.what}`, () => measure(report, shape))
  },
}

async function measure(
  report: Report,
  { name, peer = name, what, packets: size, rounds, ours, target }: Shape,
): Promise<void> {
  using memory = pinfold.openRegistrySync({})
  const region = memory.allocateSync('packets', { size: 44 * MiB, pages: '2MiB' })
  await using dpdk = await Peer.start('dpdk_packet', count, bufferSize)
  using packets = pinfold.createPackets(region, { bufferSize, count })
  const contenders = { ours: ours(packets), dpdk: dpdk.contender(peer) }
  const taken = await interleave(contenders, { samples: 401, warmUp: 40, rounds })
  report.add({
    name: `packet ${what}, a packet out and in`,
    unit: 'ns',
    scale: nanoseconds / size,
    value: taken.of('ours'),
    peer: { name: 'rte_mbuf', value: taken.of('dpdk'), ratio: taken.ratio('ours', 'dpdk') },
    ...(target === undefined ? {} : { target }),
  })
}

// In a program the size of a burst is a constant, as in the peer. So each size has a loop of its own.

function burstSingle(packets: Packets): Contender {
  const kept = new Uint32Array(32)
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < 32; at++) kept[at] = packets.allocate()
      sum += kept[31] ?? 0
      for (let at = 0; at < 32; at++) packets.free(kept[at] ?? 0)
    }
    return sum
  })
}

function keepSingle(packets: Packets): Contender {
  const kept = new Uint32Array(512)
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < 512; at++) kept[at] = packets.allocate()
      sum += kept[511] ?? 0
      for (let at = 0; at < 512; at++) packets.free(kept[at] ?? 0)
    }
    return sum
  })
}

function burstBulk(packets: Packets, kept = packets.burst(32)): Contender {
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      sum += packets.allocateBulk(kept, 32)
      packets.freeBulk(kept, 32)
    }
    return sum
  })
}

function keepBulk(packets: Packets): Contender {
  const kept = packets.burst(512)
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < 512; at += 32) sum += packets.allocateBulk(kept, 32, at)
      for (let at = 0; at < 512; at += 32) packets.freeBulk(kept, 32, at)
    }
    return sum
  })
}
