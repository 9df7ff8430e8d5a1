import { MiB } from '../../src/sizes.js'
import { interleave, timed } from '../measure.js'
import { pinfold } from '../package.js'
import { Peer } from '../peer.js'
import { ratioAtMost } from '../row.js'
import type { Suite } from '../suite.js'

const pages = 32
const microseconds = 1e6

export const suite: Suite = {
  about: 'one virtToPhys, beside a raw pread of pagemap and rte_mem_virt2phy',
  hugepages: 2 * pages,
  oneProcessor: true,
  async run(report) {
    await report.section('virtToPhys', async () => {
      using memory = await pinfold.openRegistry({})
      const region = memory.allocateSync('asked', { size: pages * 2 * MiB, pages: '2MiB' })
      await using kernel = await Peer.start('pagemap', pages, 2 * MiB)

      // Random places in the region, as views and as addresses.
      const offsets = Array.from({ length: 1024 }, () => Math.floor(Math.random() * (region.size - 64)))
      const views = offsets.map((offset) => region.view(offset, 64))
      const addresses = offsets.map((offset) => region.address + BigInt(offset))
      const view = timed((rounds) => {
        let sum = 0
        for (let round = 0; round < rounds; round++) {
          const asked = views[round & 1023]
          if (asked !== undefined) sum += pinfold.virtToPhys(asked).physicalAddress
        }
        return sum
      })
      const address = timed((rounds) => {
        let sum = 0
        for (let round = 0; round < rounds; round++) {
          const asked = addresses[round & 1023]
          if (asked !== undefined) sum += pinfold.virtToPhys(asked).physicalAddress
        }
        return sum
      })
      const taken = await interleave(
        { view, address, pread: kernel.contender('pread'), virt2phy: kernel.contender('virt2phy') },
        { samples: 401, warmUp: 20, rounds: 500 },
      )

      const asked = { unit: 'us', scale: microseconds }
      for (const of of ['view', 'address'] as const) {
        const pread = { name: 'one pread', value: taken.of('pread'), ratio: taken.ratio(of, 'pread') }
        const virt2phy = { name: 'rte_mem_virt2phy', value: taken.of('virt2phy'), ratio: taken.ratio(of, 'virt2phy') }
        const value = taken.of(of)
        report.add({ ...asked, name: `virtToPhys(${of})`, value, peer: pread, target: ratioAtMost(1.5) })
        report.add({
          ...asked,
          name: `virtToPhys(${of}), beside DPDK`,
          value,
          peer: virt2phy,
          target: ratioAtMost(0.375),
        })
      }
    })
  },
}
