import assert from 'node:assert/strict'
import {
  basePageSize,
  bufferPoolBytes,
  createBufferPool,
  createLayout,
  createPackets,
  layoutBytes,
  openDevice,
  openRegistrySync,
  packetsBytes,
} from '../../../dist/index.js'

// Sizes that depend on the base page: each structure fits into a region of the size that its function names, and the
// loopback accepts the chosen addresses that Linux accepts. Prints how many cases there were, as JSON.

const memory = openRegistrySync({ leaks: 'off' })
let cases = 0

function inRegion(size, body) {
  const region = memory.allocateSync(`case-${cases}`, { size, pages: 'base' })
  assert.equal(region.pageSize, basePageSize)
  assert.equal(region.size % basePageSize, 0)
  body(region)
  cases++
}

for (const count of [1, 3, 200]) {
  for (const elementSize of [64, 1500, 5000, 20_000]) {
    const pool = { elementSize, count }
    inRegion(bufferPoolBytes(pool), (region) => assert.ok(createBufferPool(region, pool).capacity >= count))
    const parts = {
      buffers: { kind: 'pool', ...pool },
      packets: { kind: 'packets', bufferSize: elementSize, headroom: 0, count },
    }
    inRegion(layoutBytes(parts), (region) => createLayout(region, parts))
    const packets = { bufferSize: elementSize, headroom: 0, count }
    inRegion(packetsBytes(packets), (region) => assert.ok(createPackets(region, packets).capacity >= count))
  }
}

const refused = []
inRegion(4 * basePageSize, (region) => {
  for (const device of [openDevice({ loopback: true }), openDevice()]) {
    const domain = device.createDomain()
    const chosen = (address) => memory.registerSync(region, domain, ['localWrite'], { address })
    const page = BigInt(basePageSize)
    chosen(16n * page)
    assert.throws(() => chosen(16n * page + page / 2n), { code: 'ERR_DEVICE_REFUSED' })
    refused.push(device.name)
    device.close({ force: true })
  }
})
console.log(JSON.stringify({ basePageSize, cases, refused }))
memory.close()
