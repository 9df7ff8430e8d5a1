import { MiB } from '../../src/sizes.js'
import { type Contender, interleave, timed } from '../measure.js'
import { pinfold } from '../package.js'
import { Peer } from '../peer.js'
import { rateAtLeast, type Target } from '../row.js'
import type { Report, Suite } from '../suite.js'

const count = 16_384
const elementSize = 2048
const nanoseconds = 1e9

type Pool = ReturnType<typeof pinfold.createBufferPool>

interface Shape {
  /** Name of the part of the suite that measures this row. */
  readonly name: string
  /** Name of the peer's workload, if it is another one. */
  readonly peer?: string
  readonly what: string
  /** Elements a round, and rounds a sample. */
  readonly elements: number
  readonly rounds: number
  readonly ours: (pool: Pool) => Contender
  readonly target?: Target
}

function bulk(count: number, rounds: number): Omit<Shape, 'ours'> {
  return { name: `keep512_${count}`, what: `getBulk and putBulk, n = ${count}, keep 512`, elements: 512, rounds }
}

const shapes: readonly Shape[] = [
  {
    name: 'keep512_1',
    what: 'get and put, n = 1, keep 512',
    elements: 512,
    rounds: 100,
    ours: single,
    target: rateAtLeast(1),
  },
  { ...bulk(1, 100), name: 'bulk512_1', peer: 'keep512_1', ours: by1 },
  { ...bulk(4, 200), ours: by4, target: rateAtLeast(0.65) },
  { ...bulk(8, 300), ours: by8 },
  { ...bulk(16, 400), ours: by16 },
  { ...bulk(32, 500), ours: by32, target: rateAtLeast(0.8) },
  { ...bulk(64, 500), ours: by64 },
  {
    ...bulk(32, 500),
    name: 'burst512_32',
    peer: 'keep512_32',
    what: 'getBulk and putBulk, n = 32, keep 512, an array of pool.burst',
    ours: (pool) => by32(pool, pool.burst(512)),
  },
  {
    ...bulk(32, 500),
    name: 'two512_32',
    peer: 'keep512_32',
    what: 'getBulk and putBulk, n = 32, keep 512, two arrays in turn',
    ours: by32OfTwo,
  },
  {
    name: 'look_32',
    what: 'take and give, n = 32, each looked at',
    elements: 32,
    rounds: 5000,
    ours: span,
    target: rateAtLeast(1),
  },
  {
    name: 'keep8192_32',
    what: 'getBulk and putBulk, n = 32, keep 8192',
    elements: 8192,
    rounds: 20,
    ours: spilling,
    target: rateAtLeast(0.9),
  },
]

export const suite: Suite = {
  about: 'elements taken out of a buffer pool and given back, by one thread, beside rte_mempool of DPDK',
  // 34 MiB for our buffer pool; the rest for DPDK and its 16,384 elements.
  hugepages: 64,
  oneProcessor: true,
  parts: shapes.map(({ name }) => name),
  async run(report, part) {
    const shape = shapes.find(({ name }) => name === part)
    if (shape !== undefined) await report.section(`pool ${shape.what}`, () => measure(report, shape))
  },
}

async function measure(report: Report, shape: Shape): Promise<void> {
  const { name, peer = name, what, elements, rounds, ours, target } = shape
  using memory = pinfold.openRegistrySync({})
  const region = memory.allocateSync('pool', { size: 34 * MiB, pages: '2MiB' })
  await using dpdk = await Peer.start('dpdk_pool', count, elementSize)
  using pool = pinfold.createBufferPool(region, { elementSize, count })
  const contenders = { ours: ours(pool), dpdk: dpdk.contender(peer) }
  const taken = await interleave(contenders, { samples: 401, warmUp: 40, rounds })
  report.add({
    name: `pool ${what}, an element out and in`,
    unit: 'ns',
    scale: nanoseconds / elements,
    value: taken.of('ours'),
    peer: { name: 'rte_mempool', value: taken.of('dpdk'), ratio: taken.ratio('ours', 'dpdk') },
    ...(target === undefined ? {} : { target }),
  })
}

function single(pool: Pool): Contender {
  const kept = new Uint32Array(512)
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < 512; at++) kept[at] = pool.get()
      sum += kept[511] ?? 0
      for (let at = 0; at < 512; at++) pool.put(kept[at] ?? 0)
    }
    return sum
  })
}

// In a program the size of a burst is a constant, as in the peer. So each size has a loop of its own.

function by1(pool: Pool, kept: Uint32Array = new Uint32Array(512)): Contender {
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < 512; at += 1) sum += pool.getBulk(kept, 1, at)
      for (let at = 0; at < 512; at += 1) pool.putBulk(kept, 1, at)
    }
    return sum
  })
}

function by4(pool: Pool, kept: Uint32Array = new Uint32Array(512)): Contender {
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < 512; at += 4) sum += pool.getBulk(kept, 4, at)
      for (let at = 0; at < 512; at += 4) pool.putBulk(kept, 4, at)
    }
    return sum
  })
}

function by8(pool: Pool, kept: Uint32Array = new Uint32Array(512)): Contender {
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < 512; at += 8) sum += pool.getBulk(kept, 8, at)
      for (let at = 0; at < 512; at += 8) pool.putBulk(kept, 8, at)
    }
    return sum
  })
}

function by16(pool: Pool, kept: Uint32Array = new Uint32Array(512)): Contender {
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < 512; at += 16) sum += pool.getBulk(kept, 16, at)
      for (let at = 0; at < 512; at += 16) pool.putBulk(kept, 16, at)
    }
    return sum
  })
}

function by32(pool: Pool, kept: Uint32Array = new Uint32Array(512)): Contender {
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < 512; at += 32) sum += pool.getBulk(kept, 32, at)
      for (let at = 0; at < 512; at += 32) pool.putBulk(kept, 32, at)
    }
    return sum
  })
}

function by64(pool: Pool, kept: Uint32Array = new Uint32Array(512)): Contender {
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < 512; at += 64) sum += pool.getBulk(kept, 64, at)
      for (let at = 0; at < 512; at += 64) pool.putBulk(kept, 64, at)
    }
    return sum
  })
}

function by32OfTwo(pool: Pool): Contender {
  const kept = new Uint32Array(256)
  const other = new Uint32Array(256)
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < 256; at += 32) sum += pool.getBulk(kept, 32, at) + pool.getBulk(other, 32, at)
      for (let at = 0; at < 256; at += 32) {
        pool.putBulk(kept, 32, at)
        pool.putBulk(other, 32, at)
      }
    }
    return sum
  })
}

function spilling(pool: Pool): Contender {
  const kept = new Uint32Array(8192)
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < 8192; at += 32) sum += pool.getBulk(kept, 32, at)
      for (let at = 0; at < 8192; at += 32) pool.putBulk(kept, 32, at)
    }
    return sum
  })
}

function span(pool: Pool): Contender {
  return timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      const place = pool.take(32)
      const { spans } = pool
      for (let at = place, end = place + 32; at < end; at += 8) {
        const one = ((spans[at] ?? 0) + (spans[at + 1] ?? 0)) | 0
        const other = ((spans[at + 2] ?? 0) + (spans[at + 3] ?? 0)) | 0
        const third = ((spans[at + 4] ?? 0) + (spans[at + 5] ?? 0)) | 0
        const fourth = ((spans[at + 6] ?? 0) + (spans[at + 7] ?? 0)) | 0
        sum = (sum + ((one + other) | 0) + ((third + fourth) | 0)) | 0
      }
      pool.give(32)
    }
    return sum
  })
}
