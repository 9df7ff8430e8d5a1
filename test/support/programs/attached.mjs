// A worker on a region of its parent. It does one action for each message.
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion } from '../../../dist/index.js'

let region = attachRegion(workerData.handle)
const actions = {
  read: ({ offset }) => region.view(offset, 1)[0],
  write: ({ offset, value }) => region.view(offset, 1).fill(value)[0],
  add: ({ offset, times }) => {
    const counter = new Int32Array(region.bytes.buffer, offset, 1)
    for (let i = 0; i < times; i++) Atomics.add(counter, 0, 1)
    return Atomics.load(counter, 0)
  },
  hold: () => region.hold('the worker').reason,
  close: () => region.close(),
  facts: () => ({ name: region.name, size: region.size, address: region.address, pages: region.pages }),
  attach: ({ handle }) => {
    region = attachRegion(handle)
  },
  // This action ends only with the thread.
  churn: () => {
    parentPort.postMessage({ value: 'churning' })
    const { bytes } = region
    for (let i = 0; ; i = (i + 4097) % bytes.length) bytes[i] = (bytes[i] ?? 0) + 1
  },
}

parentPort.on('message', ({ action, ...rest }) => {
  try {
    parentPort.postMessage({ value: actions[action](rest) })
  } catch (error) {
    parentPort.postMessage({ code: error.code, message: error.message })
  }
})
parentPort.postMessage({ value: 'ready' })
