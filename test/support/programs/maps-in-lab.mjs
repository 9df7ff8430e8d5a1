// Runs in the lab, on two NUMA nodes. Compares maps of memory and the reverse map with the kernel's own counters. Prints
// one JSON object a line.
import { spawn } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
} from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { findMappings, openRegistrySync } from '../../../dist/index.js'
import { mapProcess } from '../../../dist/translate/memory-map/memory-map.js'

const MiB = 2 ** 20
const nodes = [0, 1]
const shared = '/run/shared'
const say = (of) => console.log(JSON.stringify(of))

// A region that nobody holds would be collected.
const memory = openRegistrySync({ leaks: 'off' })
if (process.argv[2] === 'hold') await hold()
else await compare()

/** A process of a user without privileges, which has memory on both nodes, and maps the shared file. */
async function hold() {
  const region = mapShared()
  for (const pages of ['base', '2MiB', 'transparent']) {
    memory.allocateSync(pages, { size: 8 * MiB, pages, numa: { policy: 'interleave', nodes } })
  }
  const { bytes, runs, entries } = region.map()
  const code = await findMappings(4096).catch((error) => error.code)
  say({ nobody: code, present: bytes.present, hidden: bytes.hidden, runs, entries })
  setInterval(() => {}, 1e6)
}

async function compare() {
  for (const node of nodes) {
    writeFileSync(`/sys/devices/system/node/node${node}/hugepages/hugepages-2048kB/nr_hugepages`, '16')
  }
  closeSync(openSync(shared, 'w'))
  chmodSync(shared, 0o666)
  const region = mapShared()
  const child = await holder()
  for (const pages of ['base', '2MiB', 'transparent']) for (const node of nodes) bound(pages, node)
  await reverse(region)
  child.kill('SIGSTOP')
  while (!/^State:\tT/m.test(readFileSync(`/proc/${child.pid}/status`, 'latin1'))) await setTimeout(10)
  sums(child.pid)
  child.kill('SIGKILL')
  memory.close()
}

function mapShared() {
  const descriptor = openSync(shared, 'r+')
  ftruncateSync(descriptor, MiB)
  try {
    return memory.allocateSync('shared', { size: MiB, pages: 'base', backing: { descriptor, mayShrink: true } })
  } finally {
    closeSync(descriptor)
  }
}

async function holder() {
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all', '--no-new-privs']
  const words = [...nobody, process.execPath, fileURLToPath(import.meta.url), 'hold']
  const child = spawn('setpriv', words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const text = await new Promise((resolve) => child.stdout.once('data', resolve))
  process.stdout.write(text)
  return child
}

/** The nodes of the runs of a region that is bound to a node, by the map and by the kernel's list of memory blocks. */
function bound(pages, node) {
  const region = memory.allocateSync('bound', { size: 4 * MiB, pages, numa: { policy: 'bind', nodes: [node] } })
  const { runs, bytes } = region.map()
  const blocks = [...new Set(runs.map(({ physicalAddress }) => nodeOfBlock(physicalAddress)))]
  say({ bound: pages, node, nodes: [...new Set(runs.map((run) => run.node))], blocks, present: bytes.present })
  region.close()
}

function nodeOfBlock(physicalAddress) {
  const size = Number.parseInt(readFileSync('/sys/devices/system/memory/block_size_bytes', 'latin1'), 16)
  const block = `memory${Math.floor(physicalAddress / size)}`
  return nodes.find((node) => readdirSync(`/sys/devices/system/node/node${node}`).includes(block))
}

/** The mappings of shared pages, and the kernel's count of them, which is read here from its file. */
async function reverse(region) {
  for (const offset of [0, 17 * 4096 + 5]) {
    const physicalAddress = region.translate().physicalAt(offset)
    const { mappings, mapCount } = await findMappings(physicalAddress)
    const word = new BigUint64Array(1)
    const file = openSync('/proc/kpagecount', 'r')
    readSync(file, word, 0, 8, Math.floor(physicalAddress / 4096) * 8)
    closeSync(file)
    say({
      reverse: offset,
      processes: new Set(mappings.map(({ pid }) => pid)).size,
      mapCount,
      counted: Number(word[0]),
    })
  }
}

/** Bytes of a process on each node, by its map and by numa_maps, in the mappings of which numa_maps tells a node. */
function sums(pid) {
  for (;;) {
    const before = readFileSync(`/proc/${pid}/numa_maps`, 'latin1')
    const map = mapProcess(pid)
    // Also the pages of a stopped process may move.
    if (readFileSync(`/proc/${pid}/numa_maps`, 'latin1') !== before) continue
    const [counted, found] = [
      [0, 0],
      [0, 0],
    ]
    for (const line of before.split('\n')) {
      const onNodes = [...line.matchAll(/ N(\d)=(\d+)/g)]
      if (onNodes.length === 0) continue
      const pageSize = Number(/kernelpagesize_kB=(\d+)/.exec(line)?.[1]) * 1024
      for (const [, node, pages] of onNodes) counted[Number(node)] += Number(pages) * pageSize
      const start = BigInt(`0x${line.split(' ')[0]}`)
      const end = map.mappings.find((mapping) => mapping.start === start)?.end ?? start
      for (const { address, length, node } of map.runs) if (address >= start && address < end) found[node] += length
    }
    say({ sums: 'numa_maps', counted, found })
    return
  }
}
