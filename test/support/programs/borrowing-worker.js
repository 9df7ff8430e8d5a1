import { parentPort, workerData } from 'node:worker_threads'
import { tsImport } from 'tsx/esm/api'

// A worker that borrows and then lives until it is terminated. It is JavaScript, since Node 20 starts no worker from
// TypeScript.

const { borrowHugepages } = await tsImport('../../../src/hugepages/loan.ts', import.meta.url)
borrowHugepages(workerData)
parentPort.on('message', () => {})
parentPort.postMessage('borrowed')
