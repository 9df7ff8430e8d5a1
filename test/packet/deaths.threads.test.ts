import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { createPackets, openRegistrySync, packetsBytes, type Region } from '../../src/index.js'
import { packetPlaces } from '../../src/packet/layout.js'
import { depotWord, threadsWord, threadWord, threadWords } from '../../src/pool/layout.js'
import { kept } from '../support/registries.js'

// Packets whose threads die, or keep the depot of the buffer pool.

const deaths = Number(process.env.PINFOLD_PACKET_DEATHS ?? 24)
const holds = 48
/** A held packet may consist of two segments that share the buffer of a third. A call may hold 64 more. */
const mostLost = 3 * holds + 64

function made(count: number, patience?: number) {
  const wanted = { bufferSize: 256, count, cache: 32, patience }
  const region = kept(openRegistrySync({ leaks: 'off' })).allocateSync('packets', {
    size: packetsBytes(wanted),
    pages: 'base',
  })
  return { region, packets: createPackets(region, wanted) }
}

async function start(region: Region, work: { name: number; operations: number; shared: number }): Promise<Worker> {
  const worker = new Worker(new URL('../support/programs/packet-churn.mjs', import.meta.url), {
    workerData: { handle: region.handle, holds, ...work },
    // Threads with and without WebAssembly share the packets.
    env: { ...process.env, ...(work.name % 2 === 1 ? { PINFOLD_WEBASSEMBLY: 'off' } : {}) },
  })
  await once(worker, 'message')
  return worker
}

test('threads that are killed lose only the packets that they held, and hold up no other thread', {
  timeout: 600_000,
}, async () => {
  for (let round = 0; round < deaths / 4; round++) {
    const count = 2000
    const { region, packets } = made(count)
    const shared = packets.allocate()
    packets.append(shared, 100)
    const survivor = await start(region, { name: 5, operations: 20_000, shared })
    const outcome = once(survivor, 'message')
    const works = [1, 2, 3, 4].map((name) => ({ name, operations: Number.MAX_SAFE_INTEGER, shared }))
    const workers = await Promise.all(works.map((work) => start(region, work)))
    for (const worker of [...workers, survivor]) worker.postMessage('go')
    // The threads end one after the other, so that the later ones have worked for a while.
    for (const worker of workers) await worker.terminate()
    const [told] = await outcome
    expect(told).toMatchObject({ wrong: 0 })
    await survivor.terminate()

    packets.pool.reclaim()
    const all: number[] = []
    for (let index = packets.allocate(); index >= 0; index = packets.allocate()) all.push(index)
    expect(new Set([...all, shared]).size).toBe(all.length + 1)
    expect(all.length).toBeGreaterThanOrEqual(count - 1 - 4 * mostLost)
    for (const index of all) expect([packets.segments(index), packets.isShared(index)]).toEqual([1, false])
    packets.freeBulk(Uint32Array.from(all))
    expect(packets.available).toBe(all.length)
  }
})

test('a call that finds the depot kept by another thread changes nothing, or is completed later', {
  timeout: 60_000,
}, async () => {
  const { region, packets } = made(64, 0)
  const worker = await start(region, { name: 1, operations: 0, shared: 0 })
  const words = new Int32Array(
    region.bytes.buffer,
    region.bytes.byteOffset + packetPlaces({ capacity: 64, details: 0, externals: 64 }).end,
    threadsWord + 2 * threadWords,
  )
  const keep = () => {
    words[depotWord.owner] = words[threadsWord + threadWords + threadWord.ticket] ?? 0
  }
  const all = new Uint32Array(64)
  packets.allocateBulk(all)
  for (const [place, index] of all.entries()) if (place > 0) packets.chain(all[0] ?? 0, index)
  keep()
  expect(() => packets.clone(all[0] ?? 0)).toThrowCode('ERR_POOL_BUSY')
  expect(packets.segments(all[0] ?? 0)).toBe(64)
  // These are more than the cache has room for. They count as free now, and reach the depot when it is open again.
  packets.free(all[0] ?? 0)
  expect(() => packets.free(all[0] ?? 0)).toThrowCode('ERR_PACKET_FREE')
  expect(packets.available).toBeLessThan(64)
  words[depotWord.owner] = 0
  const again = Array.from({ length: 64 }, () => packets.allocate())
  expect([new Set(again).size, packets.allocate()]).toEqual([64, -1])

  packets.freeBulk(Uint32Array.from(again.slice(0, 40)))
  keep()
  expect(() => packets.allocateBulk(new Uint32Array(40))).toThrowCode('ERR_POOL_BUSY')
  words[depotWord.owner] = 0
  expect(packets.available).toBe(40)
  expect(packets.allocateBulk(new Uint32Array(39))).toBe(39)

  // Other threads wait for a free element, and cannot be answered now.
  const one = packets.allocate()
  words[threadsWord + threadWord.isAsked] = -1
  keep()
  packets.free(one)
  expect(() => packets.free(one)).toThrowCode('ERR_PACKET_FREE')
  words[depotWord.owner] = 0
  expect(packets.available).toBe(1)
  await worker.terminate()
})
