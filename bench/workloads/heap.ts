import { MiB } from '../../src/sizes.js'
import { interleave, timed } from '../measure.js'
import { pinfold } from '../package.js'
import { Peer } from '../peer.js'
import { rateAtLeast } from '../row.js'
import type { Report, Suite } from '../suite.js'

const kept = 512
const pages = 16
const nanoseconds = 1e9

export const suite: Suite = {
  about: 'allocate and free in a heap, beside rte_malloc and rte_free',
  hugepages: 2 * pages,
  oneProcessor: true,
  async run(report) {
    await report.section('allocate and free', () => exchange(report))
  },
}

/** xorshift32 (Marsaglia, "Xorshift RNGs", 2003), as in dpdk_heap.c, so that both sides use the same numbers. */
function* words(state: number): Generator<number, never> {
  for (;;) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    yield state >>> 0
  }
}

async function exchange(report: Report): Promise<void> {
  using memory = await pinfold.openRegistry({})
  const region = memory.allocateSync('heap', { size: pages * 2 * MiB, pages: '2MiB' })
  using heap = pinfold.createHeap(region)
  await using dpdk = await Peer.start('dpdk_heap')

  const numbers = words(88172645)
  // 16 bytes to 16 KiB, each power of two as often as any other.
  const anySize = () => {
    const least = 16 << (numbers.next().value % 10)
    return least + (numbers.next().value % least)
  }
  const sizes = {
    small: new Int32Array(1024).fill(64),
    page: new Int32Array(1024).fill(4096),
    mixed: Int32Array.from({ length: 1024 }, anySize),
  }
  /** Keeps some hundreds of blocks. A round frees one of them and allocates another in its place. */
  const exchanging = (name: keyof typeof sizes) => {
    const wanted = sizes[name]
    const offsets = wanted.subarray(0, kept).map((size) => heap.allocate(size))
    let state = 2463534242 | 0
    return timed((rounds) => {
      let word = state
      let sum = 0
      for (let round = 0; round < rounds; round++) {
        word ^= word << 13
        word ^= word >>> 17
        word ^= word << 5
        const which = word & (kept - 1)
        heap.free(offsets[which] ?? 0)
        const offset = heap.allocate(wanted[(word >>> 9) & 1023] ?? 0)
        offsets[which] = offset
        sum += offset
      }
      state = word
      return sum
    })
  }
  /** The same with zeroed blocks of mixed sizes, in a loop of its own (measure.ts says why). */
  const exchangingZeroed = () => {
    const wanted = sizes.mixed
    const offsets = wanted.subarray(0, kept).map((size) => heap.allocateZeroed(size))
    let state = 2463534242 | 0
    return timed((rounds) => {
      let word = state
      let sum = 0
      for (let round = 0; round < rounds; round++) {
        word ^= word << 13
        word ^= word >>> 17
        word ^= word << 5
        const which = word & (kept - 1)
        heap.free(offsets[which] ?? 0)
        const offset = heap.allocateZeroed(wanted[(word >>> 9) & 1023] ?? 0)
        offsets[which] = offset
        sum += offset
      }
      state = word
      return sum
    })
  }
  const contenders = {
    small: exchanging('small'),
    'small, DPDK': dpdk.contender('small'),
    page: exchanging('page'),
    'page, DPDK': dpdk.contender('page'),
    mixed: exchanging('mixed'),
    'mixed, DPDK': dpdk.contender('mixed'),
    zeroed: exchangingZeroed(),
    'zeroed, DPDK': dpdk.contender('zeroed'),
  }
  const taken = await interleave(contenders, { samples: 401, warmUp: 40, rounds: 5000 })
  const rows = [
    { name: 'small', calls: 'allocate', sizes: '64 bytes', beside: 'rte_malloc', target: rateAtLeast(1) },
    { name: 'page', calls: 'allocate', sizes: '4 KiB', beside: 'rte_malloc', target: rateAtLeast(1) },
    { name: 'mixed', calls: 'allocate', sizes: '16 bytes to 16 KiB', beside: 'rte_malloc', target: rateAtLeast(1) },
    { name: 'zeroed', calls: 'allocateZeroed', sizes: '16 bytes to 16 KiB', beside: 'rte_zmalloc' },
  ] as const
  for (const { name, calls, sizes, beside, ...rest } of rows) {
    report.add({
      name: `${calls} and free, ${sizes}, ${kept} kept`,
      unit: 'ns',
      scale: nanoseconds,
      value: taken.of(name),
      peer: {
        name: `${beside}, rte_free`,
        value: taken.of(`${name}, DPDK`),
        ratio: taken.ratio(name, `${name}, DPDK`),
      },
      ...rest,
    })
  }
}
