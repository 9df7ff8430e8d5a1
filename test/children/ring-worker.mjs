// A worker on rings that its parent has made; `workerData.work` says what it does with them.
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion, Ring } from '../../dist/index.js'

const { work, handle, places, id, operations } = workerData
const region = attachRegion(handle)
const rings = places.map(([offset, length]) => Ring.attach(region.slice(offset, length)))

let state = 88172645 + id
function random(below) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}

const works = {
  // Puts numbers of its own in and takes whatever comes out. Of each producer they must come in order.
  contend() {
    const [ring] = rings
    const burst = new Uint32Array(64)
    const last = new Int32Array(16).fill(-1)
    const result = { put: 0, got: 0, putSum: 0, gotSum: 0, disorder: 0 }
    while (result.put < operations) {
      const wanted = Math.min(1 + random(64), operations - result.put)
      for (let index = 0; index < wanted; index++) burst[index] = (id << 28) | (result.put + index)
      const put = random(2) === 0 ? ring.enqueueBulk(burst, wanted) : ring.enqueueBurst(burst, wanted)
      for (let index = 0; index < put; index++) result.putSum += burst[index]
      result.put += put
      const got = random(2) === 0 ? ring.dequeueBulk(burst, 1 + random(64)) : ring.dequeueBurst(burst, 1 + random(64))
      for (let index = 0; index < got; index++) {
        const value = burst[index]
        if ((value & 0xfffffff) <= last[value >>> 28]) result.disorder++
        last[value >>> 28] = value & 0xfffffff
        result.gotSum += value
      }
      result.got += got
    }
    return result
  },

  // Passes values from the first ring to the second, in place; ends only with the thread.
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

  // Counts up in the first ring and takes from the second; ends only with the thread.
  call() {
    const [up, down] = rings
    const burst = new Uint32Array(32)
    parentPort.postMessage('calling')
    for (let next = 0; ; ) {
      const wanted = 1 + random(32)
      for (let index = 0; index < wanted; index++) burst[index] = (id << 20) | (next + index)
      next += up.enqueueBurst(burst, wanted)
      down.dequeueBurst(burst, 1 + random(32))
      down.dequeue()
    }
  },
}

const result = works[work]()
for (const ring of rings) ring.close()
region.close()
parentPort.postMessage(result)
