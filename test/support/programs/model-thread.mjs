// A thread of a model. It acts on the buffer pool or ring that it is told to attach, and reports the outcome of each
// act. It keeps the elements that it has taken, with its mark, until it is told to give some back.
import { parentPort, workerData } from 'node:worker_threads'
import { attachBufferPool, attachRegion, attachRing } from '../../../dist/index.js'

const { handle, name } = workerData
const region = attachRegion(handle)
const held = []
let pool
let ring
let next = 0
let wrong = 0

function took(indices) {
  for (const index of indices) pool.view(index)[0] = name
  held.push(...indices)
  return { got: indices }
}

function givenBack(count) {
  const indices = held.splice(0, count)
  for (const index of indices) if (pool.view(index)[0] !== name) wrong += 1
  return indices
}

/** An array for `count` numbers from index `at` on. It starts `shift` numbers into its buffer. */
function arrayOf(count, shift, at) {
  return new Uint32Array(new ArrayBuffer((shift + at + count) * 4), shift * 4)
}

const ofPools = {
  attachPool: ({ patience }) => {
    pool = attachBufferPool(region, { patience })
    held.length = wrong = 0
  },
  get: () => {
    const index = pool.get()
    return took(index < 0 ? [] : [index])
  },
  getBulk: ({ count, shift, at }) => {
    const values = arrayOf(count, shift, at)
    return took([...values.subarray(at, at + pool.getBulk(values, count, at))])
  },
  take: ({ count }) => {
    const some = Math.min(count, pool.magazineSize)
    const place = pool.take(some)
    return took(place < 0 ? [] : [...pool.spans.subarray(place, place + some)])
  },
  put: () => {
    const [index] = givenBack(1)
    if (index === undefined) return { put: [] }
    pool.put(index)
    return { put: [index] }
  },
  putBulk: ({ count, shift, at }) => {
    const put = givenBack(count)
    const values = arrayOf(put.length, shift, at)
    values.set(put, at)
    pool.putBulk(values, put.length, at)
    return { put }
  },
  give: ({ count }) => {
    const put = givenBack(Math.min(count, pool.magazineSize))
    pool.spans.set(put, pool.room(put.length))
    pool.give(put.length)
    return { put }
  },
  hand: ({ count }) => ({ handed: givenBack(count) }),
  receive: ({ indices }) => {
    for (const index of indices) pool.adopt(index)
    return took(indices)
  },
  flush: () => pool.flush(),
  reclaim: () => ({ found: pool.reclaim() }),
  reattach: () => {
    pool.close()
    pool = attachBufferPool(region)
  },
  cached: () => ({ cached: pool.stats().cached, available: pool.available }),
  leave: () => {
    pool.putBulk(Uint32Array.from(givenBack(held.length)))
    pool.close()
    return { wrong }
  },
}

const values = (count) => Array.from({ length: count }, () => ((name << 24) | next++) >>> 0)
const spans = {}

function lent(side, span) {
  spans[side] = { ...span }
  return span.length + span.rest
}

const slot = (side, index) => (spans[side].first + index) % ring.capacity

/** The same, in an array of the ring's own if `shift` is 0. */
function ringArrayOf(count, shift, at) {
  return shift === 0 ? ring.burst(at + count + 1) : arrayOf(count, shift, at)
}

const ofRings = {
  attachRing: ({ patience }) => {
    ring = attachRing(region, { patience })
  },
  enqueue: () => {
    const [value] = values(1)
    return { put: ring.enqueue(value) ? [value] : [] }
  },
  dequeue: () => {
    const value = ring.dequeue()
    return { got: value < 0 ? [] : [value] }
  },
  enqueueMany: ({ count, shift, at, bulk }) => {
    const burst = ringArrayOf(count, shift, at)
    burst.set(values(count), at)
    const put = bulk ? ring.enqueueBulk(burst, count, at) : ring.enqueueBurst(burst, count, at)
    return { put: [...burst.subarray(at, at + put)] }
  },
  dequeueMany: ({ count, shift, at, bulk }) => {
    const burst = ringArrayOf(count, shift, at)
    const got = bulk ? ring.dequeueBulk(burst, count, at) : ring.dequeueBurst(burst, count, at)
    return { got: [...burst.subarray(at, at + got)] }
  },
  lendEnqueue: ({ count, bulk }) => {
    const some = Math.min(count, ring.capacity)
    const slots = lent('put', bulk ? ring.reserveEnqueueBulk(some) : ring.reserveEnqueueBurst(some))
    const put = values(slots)
    for (const [index, value] of put.entries()) ring.slots[slot('put', index)] = value
    return { lent: put }
  },
  lendDequeue: ({ count, bulk }) => {
    const some = Math.min(count, ring.capacity)
    const slots = lent('get', bulk ? ring.reserveDequeueBulk(some) : ring.reserveDequeueBurst(some))
    return { lent: Array.from({ length: slots }, (_, index) => ring.slots[slot('get', index)]) }
  },
  commitEnqueue: ({ count }) => ring.commitEnqueue(count),
  commitDequeue: ({ count }) => ring.commitDequeue(count),
  /** Reserves slots, and commits `commit` of them, in one act. */
  passEnqueue: ({ count, bulk, commit }) => {
    const { lent } = ofRings.lendEnqueue({ count, bulk })
    const put = lent.slice(0, commit)
    if (lent.length > 0) ring.commitEnqueue(put.length)
    return { put }
  },
  passDequeue: ({ count, bulk, commit }) => {
    const { lent } = ofRings.lendDequeue({ count, bulk })
    const got = lent.slice(0, commit)
    if (lent.length > 0) ring.commitDequeue(got.length)
    return { got }
  },
  reattachRing: ({ patience }) => {
    ring.close()
    ring = attachRing(region, { patience })
  },
  leaveRing: () => ring.close(),
}

const acts = { ...ofPools, ...ofRings }

function outcome(act) {
  try {
    return acts[act.do](act) ?? {}
  } catch (error) {
    return { code: error.code ?? String(error) }
  }
}

parentPort.on('message', (told) => parentPort.postMessage(told.map(outcome)))
parentPort.postMessage('ready')
