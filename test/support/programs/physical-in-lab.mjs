// Runs in the lab. Copies bytes by a device's DMA engine between physical addresses of translations, and reports the
// nodes of placed regions. Prints one JSON object a line. The argument is the path of the edu program.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { openRegistrySync } from '../../../dist/index.js'

const [, , edu = ''] = process.argv
const say = (of) => console.log(JSON.stringify(of))

/** Adds the page of 1 GiB first, before memory is scattered. If that fails, a line below reports it. */
for (const [size, count] of [
  ['1048576', 1],
  ['2048', 64],
]) {
  writeFileSync(`/sys/kernel/mm/hugepages/hugepages-${size}kB/nr_hugepages`, `${count}`)
}
for (const node of [0, 1]) {
  writeFileSync(`/sys/devices/system/node/node${node}/hugepages/hugepages-2048kB/nr_hugepages`, '32')
}

using(openRegistrySync({}), (memory) => {
  for (const [pages, size] of [
    ['base', 2 ** 20],
    ['2MiB', 8 * 2 ** 20],
    ['1GiB', 2 ** 30],
  ]) {
    try {
      using(memory.allocateSync(`dma-${pages}`, { size, pages }), (region) =>
        say({ dma: pages, ...copyByDevice(region) }),
      )
    } catch (error) {
      say({ dma: pages, code: error.code, message: error.message })
    }
  }
  for (const node of [0, 1]) {
    for (const pages of ['base', '2MiB', 'transparent']) {
      using(
        memory.allocateSync('placed', { size: 4 * 2 ** 20, pages, numa: { policy: 'bind', nodes: [node] } }),
        (region) => {
          say({ placed: pages, node, nodes: region.nodes, use: Object.keys(region.inspect().nodes) })
        },
      )
    }
  }
})

function copyByDevice(region) {
  const length = 4088 // the most that the device accepts: its check counts one byte too many
  const to = region.size - 8192 + 8
  const bytes = region.view(0, length)
  for (let index = 0; index < length; index++) bytes[index] = (index * 7 + region.size / 4096) & 0xff
  region.view(to, length).fill(0)
  const translation = region.translate()
  // A copy must not cross into the next page, which lies elsewhere.
  const part = Math.min(length, region.pageSize - (to % region.pageSize))
  const [from, into] = [translation.physicalAt(0), translation.physicalAt(to)]
  execFileSync(
    edu,
    [from, into, part].map((value) => `0x${value.toString(16)}`),
  )
  const differences = region.view(to, part).findIndex((byte, index) => byte !== bytes[index])
  const beyond = region.view(to + part, length - part).findIndex((byte) => byte !== 0)
  return { from: from.toString(16), into: into.toString(16), length: part, differences, beyond }
}

function using(object, body) {
  try {
    return body(object)
  } finally {
    object.close()
  }
}
