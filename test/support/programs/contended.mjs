import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import {
  bufferPoolBytes,
  createBufferPool,
  createPackets,
  createRing,
  openRegistrySync,
  ringBytes,
} from '../../../dist/index.js'

// Threads contend for a ring, for a buffer pool, and for a packet, on any processor (.ci/suites/arm64.ts). Prints how
// many operations of each were right, as JSON. Argument: the operations of each thread.

const operations = Number(process.argv[2])
const memory = openRegistrySync({ leaks: 'off' })

/** The last message of each worker. A worker that says 'ready' begins when all of them are. */
async function results(file, all) {
  const workers = all.map((workerData) => new Worker(new URL(file, import.meta.url), { workerData }))
  const said = workers.map((worker) => once(worker, 'message'))
  const first = (await Promise.all(said)).map(([message]) => message)
  if (first[0] !== 'ready') return first
  const last = workers.map((worker) => once(worker, 'message'))
  for (const worker of workers) worker.postMessage('go')
  return (await Promise.all(last)).map(([message]) => message)
}

const sum = (of) => of.reduce((total, one) => total + one, 0)

async function ring() {
  const count = 256
  const bytes = ringBytes(count)
  const region = memory.allocateSync('ring', { size: bytes, pages: 'base' })
  const ring = createRing(region.slice(0, bytes), { count, patience: 60_000 })
  const work = { work: 'contend', handle: region.handle, places: [[0, bytes]], operations }
  const each = await results(
    'ring-worker.mjs',
    [0, 1, 2].map((id) => ({ ...work, id })),
  )
  const rest = new Uint32Array(count)
  const left = ring.dequeueBurst(rest)
  const put = sum(each.map(({ put }) => put))
  assert.equal(sum(each.map(({ got }) => got)) + left, put)
  const taken = sum(each.map(({ gotSum }) => gotSum)) + sum([...rest.subarray(0, left)])
  assert.equal(taken % 2 ** 32, sum(each.map(({ putSum }) => putSum)) % 2 ** 32)
  assert.equal(sum(each.map(({ disorder }) => disorder)), 0)
  return put
}

async function pool() {
  const layout = { elementSize: 64, count: 512 }
  const region = memory.allocateSync('pool', { size: bufferPoolBytes(layout), pages: 'base' })
  const pool = createBufferPool(region, { ...layout, patience: 60_000 })
  const work = { handle: region.handle, work: 'churn', operations, holds: 100 }
  const each = await results(
    'pool-worker.mjs',
    [1, 2, 3].map((name) => ({ ...work, name })),
  )
  assert.equal(sum(each.map(({ wrong }) => wrong)), 0)
  assert.equal(pool.available, pool.capacity)
  return sum(each.map(({ done }) => done))
}

async function packets() {
  const region = memory.allocateSync('packets', { size: '256KiB', pages: 'base' })
  const packets = createPackets(region, { bufferSize: 256, count: 200, cache: 16 })
  const index = packets.allocate()
  packets.append(index, 100)
  const work = { handle: region.handle, index, rounds: operations, mine: [] }
  const done = await results('packet-worker.mjs', [work, work])
  assert.equal(packets.isShared(index), false)
  packets.free(index)
  assert.equal(packets.available, 200)
  return sum(done)
}

console.log(JSON.stringify({ ring: await ring(), pool: await pool(), packets: await packets() }))
memory.close()
