// A worker that posts requests in bad weather until it is terminated.
import { parentPort } from 'node:worker_threads'
import { connectedPair, injectFaults, leakCheck, weather } from '../../../dist/testing.js'

leakCheck()
const pair = connectedPair()
const { near, registry, domain } = pair
weather(pair.device, {
  delay: { least: 0, most: 50 },
  loss: 0.2,
  reorder: true,
  stall: { after: 5000 },
  slowRegistration: 20,
})
const faults = injectFaults({ device: pair.device })
let rounds = 0
const timer = setInterval(() => {
  faults.failNext('ibv_post_send', { nth: 40, errno: 'ENOMEM' })
  for (let request = 0; request < 16; request++) {
    try {
      near.queuePair.post({ operation: 'write', memory: near.memory.slice(0, 64), remote: near.remote.slice(0, 64) })
    } catch ({ code }) {
      if (code !== 'ERR_QUEUE_FULL') throw code
    }
  }
  near.queue.poll(64)
  registry.register(near.region, domain, []).then((registration) => registration.close())
  if (++rounds === 10) parentPort.postMessage('stormy')
}, 0)
timer.ref()
