// A worker on rings of its parent. `workerData.work` names its work.
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion, attachRing } from '../../../dist/index.js'
import { randomNumbers } from '../random.mjs'

const { work, handle, places, id, operations } = workerData
const region = attachRegion(handle)
const rings = places.map(([offset, length]) => attachRing(region.slice(offset, length)))

const random = randomNumbers(88172645 + id)

const works = {
  // Puts its own numbers in, and takes numbers of all workers out. The numbers of each producer must come in order. The
  // sums are modulo 2^32.
  contend() {
    const [ring] = rings
    const burst = random(2) === 0 ? ring.burst(64) : new Uint32Array(64)
    const last = new Int32Array(16).fill(-1)
    const result = { put: 0, got: 0, putSum: 0, gotSum: 0, disorder: 0 }
    while (result.put < operations) {
      const wanted = Math.min(1 + random(64), operations - result.put)
      for (let index = 0; index < wanted; index++) burst[index] = (id << 28) | (result.put + index)
      const put = random(2) === 0 ? ring.enqueueBulk(burst, wanted) : ring.enqueueBurst(burst, wanted)
      for (let index = 0; index < put; index++) result.putSum = (result.putSum + burst[index]) >>> 0
      result.put += put
      const got = random(2) === 0 ? ring.dequeueBulk(burst, 1 + random(64)) : ring.dequeueBurst(burst, 1 + random(64))
      for (let index = 0; index < got; index++) {
        const value = burst[index]
        if ((value & 0xfffffff) <= last[value >>> 28]) result.disorder++
        last[value >>> 28] = value & 0xfffffff
        result.gotSum = (result.gotSum + value) >>> 0
      }
      result.got += got
    }
    return result
  },

  // Passes values from the first ring to the second, in place. Ends only with the thread.
  pass() {
    const [from, to] = rings
    parentPort.postMessage('passing')
    for (;;) {
      const taken = from.reserveDequeueBurst(1 + random(8))
      const count = taken.length + taken.rest
      if (count === 0) continue
      const given = to.reserveEnqueueBulk(count)
      if (given.length === 0) {
        from.commitDequeue(0)
        continue
      }
      for (let index = 0; index < count; index++) {
        to.slots[(given.first + index) % to.capacity] = from.slots[(taken.first + index) % from.capacity]
      }
      to.commitEnqueue()
      from.commitDequeue()
    }
  },

  // Passes values by calls that copy, and holds up to 8 of them. Ends only with the thread.
  carry() {
    const [from, to] = rings
    const burst = random(2) === 0 ? from.burst(8) : new Uint32Array(8)
    parentPort.postMessage('carrying')
    for (;;) {
      if (random(2) === 0) {
        const value = from.dequeue()
        if (value >= 0) to.enqueue(value)
        continue
      }
      const wanted = 1 + random(8)
      const got = random(2) === 0 ? from.dequeueBulk(burst, wanted) : from.dequeueBurst(burst, wanted)
      if (random(2) === 0) to.enqueueBulk(burst, got)
      else to.enqueueBurst(burst, got)
    }
  },
}

const result = works[work]()
for (const ring of rings) ring.close()
region.close()
parentPort.postMessage(result)
