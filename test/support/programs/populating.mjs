// A worker whose allocation of gigabytes is under way when it is terminated.
import { parentPort } from 'node:worker_threads'
import { openRegistrySync } from '../../../dist/index.js'

const memory = openRegistrySync({ leaks: 'off' })
memory.allocate('large', { size: '3GiB', pages: 'base' }).catch(() => {}) // no program waits for the outcome
parentPort.postMessage('under way')
setInterval(() => {}, 1000)
