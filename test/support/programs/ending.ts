import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { attachRegion, openRegistrySync } from '../../../src/index.js'
import { until } from './free-pages.js'

// Ends in the way that its argument names, with regions open or under way. Its workers run the same file.

const large = { size: '2GiB', pages: 'base', threads: 1 } as const
const memory = openRegistrySync({ leaks: 'off' })

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

function openRegion() {
  const region = memory.allocateSync('open', { size: '4MiB', pages: ['2MiB', 'base'] })
  region.bytes.fill(1)
  return region
}

async function startWorker(data: object): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { workerData: data })
  await once(worker, 'message')
}

/** Prints the duration of the whole allocation. */
async function measureWhole(): Promise<void> {
  const begun = performance.now()
  const region = await memory.allocate('whole', large)
  say(String(performance.now() - begun))
  region.close()
}

async function underWay(): Promise<void> {
  const begun = performance.now()
  await until(() => performance.now() - begun > 20)
  say('ending')
}

const ways: Readonly<Record<string, () => unknown>> = {
  'exit-listener'() {
    const region = openRegion()
    process.on('exit', () => region.bytes.fill(2))
    process.on('exit', () => process.exit(4))
  },
  async 'exit-under-worker'() {
    await startWorker({ task: 'write', handle: openRegion().handle })
    process.exit(3)
  },
  garbage() {
    const registry = new FinalizationRegistry(() => {})
    for (let i = 0; i < 1000; i++) {
      const region = memory.allocateSync(`region-${i}`, { size: 65536, pages: 'base' })
      for (let view = 0; view < 10; view++) registry.register(region.view(view, 1), view)
      if (i % 2 === 0) region.close()
    }
  },
  pending() {
    memory.allocate('pending', { ...large, size: '256MiB' }).then(() => say('allocated'))
    say('pending')
  },
  'exit-closing'() {
    const region = memory.allocateSync('closed', { ...large, size: '256MiB' })
    region.bytes.fill(1)
    region.closeAsync()
    setImmediate(() => setImmediate(() => process.exit(3)))
  },
  closing() {
    const region = memory.allocateSync('closed', { ...large, size: '256MiB' })
    region.closeAsync().then(() => say('closed'))
  },
  waiting() {
    for (let i = 0; i < 20; i++) memory.allocate(`region-${i}`, { ...large, size: '16MiB' })
    setImmediate(() => process.exit(3))
  },
  async 'exit-worker-populating'() {
    await measureWhole()
    await startWorker({ task: 'allocate' })
    await underWay()
    process.exit(3)
  },
}

if (isMainThread) {
  await ways[process.argv[2] ?? '']?.()
} else if (workerData.task === 'write') {
  const { bytes } = attachRegion(workerData.handle)
  parentPort?.postMessage('started')
  for (;;) bytes.fill(bytes[0] ?? 0)
} else {
  parentPort?.postMessage('started')
  memory.allocateSync('again', large)
}
