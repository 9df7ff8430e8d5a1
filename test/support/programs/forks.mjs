import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { attachRegion, openRegistrySync } from '../../../dist/index.js'

// Starts processes while a worker writes to every page of every region. Prints the number of moved pages as JSON.

/** Writes to the first byte of each page again and again, and counts its rounds in `rounds`. */
function write({ handles, rounds }) {
  const regions = handles.map(attachRegion)
  parentPort.postMessage('writing')
  for (;;) {
    for (const { bytes, pageSize } of regions) {
      for (let at = 0; at < bytes.length; at += pageSize) bytes[at]++
    }
    Atomics.add(rounds, 0, 1)
  }
}

async function start(forks) {
  const hugepages = { size: '8MiB', pages: '2MiB' }
  const memory = openRegistrySync({
    regions: {
      'hugetlb-memfd': hugepages,
      'hugetlb-anonymous': { ...hugepages, backing: 'anonymous' },
      'base-memfd': { size: '1MiB', pages: 'base' },
      'base-anonymous': { size: '1MiB', pages: 'base', backing: 'anonymous' },
    },
  })
  const regions = memory.list()
  const rounds = new Int32Array(new SharedArrayBuffer(4))
  const handles = regions.map(({ handle }) => handle)
  const writer = new Worker(new URL(import.meta.url), { workerData: { handles, rounds } })
  await once(writer, 'message')
  const translations = regions.map((region) => region.translate())
  const first = Atomics.load(rounds, 0)
  for (let fork = 0; fork < forks; fork++) spawnSync('true')
  const written = Atomics.load(rounds, 0) - first
  const moved = translations.map((translation) => translation.verify().movedPages)
  await writer.terminate()
  const names = regions.map(({ name }) => name)
  console.log(JSON.stringify({ written, moved: Object.fromEntries(names.map((name, index) => [name, moved[index]])) }))
  memory.close()
}

if (isMainThread) await start(Number(process.argv[2]))
else write(workerData)
