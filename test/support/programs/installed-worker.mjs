// The thread of installed.mjs: finds the other thread's bytes, and writes some.
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion } from 'pinfold'

const region = attachRegion(workerData)
const found = region.view(4096, 64)[63]
region.view(0, 4).fill(0xcd)
parentPort.postMessage({ found, address: region.address })
region.close()
