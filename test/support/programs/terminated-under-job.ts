import assert from 'node:assert/strict'
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { openRegistrySync } from '../../../src/index.js'
import { assertNoPages, assertReleased, until } from './free-pages.js'
import { jobs, size } from './jobs.js'

// Terminates workers while a job of Node works on a region that only they have attached, closed or open. The workers
// run the same file.

if (isMainThread) {
  for (let round = 0; round < 6; round++) {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { job: process.argv[2], closes: round % 2 === 0 },
    })
    await once(worker, 'message')
    const begun = performance.now()
    await until(() => performance.now() - begun > round)
    await worker.terminate()
    assertNoPages()
  }
  await assertReleased()
} else {
  const start = await jobs[workerData.job]?.()
  assert.ok(start)
  const memory = openRegistrySync({ leaks: 'off' })
  const { bytes } = memory.allocateSync('job', { size, pages: ['2MiB', 'base'] })
  bytes.fill(65)
  start(bytes).catch(() => {})
  if (workerData.closes) memory.close()
  parentPort?.postMessage('started')
  setInterval(() => {}, 1000)
}
