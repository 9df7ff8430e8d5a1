import assert from 'node:assert/strict'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { deflate } from 'node:zlib'
import { attachRegion, openRegistrySync } from '../../../src/index.js'
import { native } from '../../../src/native.js'
import { collected } from '../garbage-collection.js'
import { assertNoPages, assertReleased } from './free-pages.js'

// Moves a region's window away from the region, in the way that its argument names, and then closes the region. Its
// workers run the same file.

const memory = openRegistrySync({ leaks: 'off' })
const size = 2 ** 21

function openRegion() {
  const region = memory.allocateSync('moved', { size, pages: ['2MiB', 'base'] })
  region.bytes.fill(7)
  return region
}

/** Acts like `ArrayBuffer.prototype.transfer`, which Node 20 lacks: reads of a byte stream move the buffer. */
async function move(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new ReadableStream({
    type: 'bytes',
    start(controller) {
      controller.enqueue(bytes)
    },
  })
  const { value } = await stream.getReader().read()
  return value ?? new Uint8Array()
}

function assertAll(bytes: Uint8Array, value: number): void {
  assert.equal(bytes.length, size)
  assert.equal(
    bytes.findIndex((byte) => byte !== value),
    -1,
  )
}

const ways: Readonly<Record<string, () => Promise<void>>> = {
  async 'in its thread'() {
    const region = openRegion()
    const old = region.bytes
    const moved = await move(old)
    assert.equal(old.length, 0)
    // The region makes a new window on the same memory.
    region.bytes[0] = 8
    assert.equal(moved[0], 8)
    region.bytes[0] = 7
    memory.close()
    assertNoPages()
    assertAll(moved, 0)
    moved.fill(9)
    await collected(() => native.tableCounts().buffers === 1)
    assertAll(moved, 9)
  },

  async 'and a job works on it'() {
    const region = openRegion()
    let moved: Uint8Array | undefined = await move(region.bytes)
    const job = promisify<Uint8Array, object, Buffer>(deflate)(moved, { chunkSize: size })
    await move(new Uint8Array(moved.buffer as ArrayBuffer))
    moved = undefined
    memory.close()
    assertNoPages()
    await assertReleased(1)
    await job
  },

  async 'to a thread that outlives its own'() {
    const region = openRegion()
    const worker = new Worker(new URL(import.meta.url), { workerData: { handle: region.handle } })
    const exited = once(worker, 'exit')
    const [moved]: Uint8Array[] = await once(worker, 'message')
    await exited
    assert.ok(moved)
    assertAll(moved, 7)
    memory.close()
    assertNoPages()
    await assertReleased(1)
    assertAll(moved, 0)
  },

  async 'and its thread is terminated'() {
    const worker = new Worker(new URL(import.meta.url), { workerData: { stays: true } })
    const [moved]: Uint8Array[] = await once(worker, 'message')
    await worker.terminate()
    assert.ok(moved)
    assertNoPages()
    assertAll(moved, 0)
    await assertReleased(1)
    assertAll(moved, 0)
  },
}

if (isMainThread) {
  await ways[process.argv[2] ?? '']?.()
} else {
  const region = workerData.stays ? openRegion() : attachRegion(workerData.handle)
  const moved = await move(region.bytes)
  parentPort?.postMessage(moved, [moved.buffer as ArrayBuffer])
  if (workerData.stays) setInterval(() => {}, 1000)
}
