// A worker that maps and retires pages of its parent's region, or runs WebAssembly on them, some of which traps.
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion, attachRing, createRing } from '../../../dist/index.js'

const { work, handle, place, replacements } = workerData
const region = attachRegion(handle)
const memory = region.slice(...place)

const works = {
  /** Each round maps the pages, uses them, and retires them again. */
  replace() {
    let passed = 0
    for (let round = 0; round < replacements; round++) {
      const ring = createRing(memory, { count: 16 })
      ring.enqueue(round)
      if (ring.dequeue() === round) passed += 1
      ring.close()
    }
    return passed
  },

  /** Ends only with the thread, at any place, also within WebAssembly. */
  run() {
    const ring = attachRing(memory)
    const burst = ring.burst(1024)
    const calls = Reflect.get(ring, 'calls')
    parentPort.postMessage('running')
    for (let round = 0; ; round++) {
      ring.enqueueBurst(burst)
      if (round % 16 === 0) {
        try {
          // Its values lie at the end of the memory, and behind.
          calls.dequeue(Reflect.get(ring, 'address'), 1023, Reflect.get(ring, 'ticket'), 2 ** 32 - 8, 4, 1)
        } catch (error) {
          if (error.name !== 'RuntimeError') throw error
        }
      }
      ring.dequeueBurst(burst)
    }
  },
}

parentPort.postMessage(works[work]())
