// A thread with a ring (workloads/ring.ts), alone or at one end of it. It receives a number of rounds, and answers with
// the seconds that they took. It is an isolate of its own, so V8 has seen no other ring and no other burst.
import { readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion, attachRing } from 'pinfold'

const { handle, work, barrier } = workerData
const ring = attachRing(attachRegion(handle))
const ready = new Int32Array(barrier ?? new SharedArrayBuffer(4))

function startTogether() {
  Atomics.add(ready, 0, 1)
  while (Atomics.load(ready, 0) < 2);
}

/** Passes bursts to or from another thread, or both. The size is a constant of the loop's own text, as in passBursts. */
function passBetween({ role, burst }) {
  const enqueue = `while (ring.enqueueBulk(values, ${burst}) === 0);`
  const dequeue = `while (ring.dequeueBulk(values, ${burst}) === 0);`
  const loop = `
    return (rounds) => {
      let sum = 0
      for (let round = 0; round < rounds; round++) {
        values[0] = round
        ${role === 'consume' ? '' : enqueue}
        ${role === 'produce' ? '' : dequeue}
        sum += values[0]
      }
      return sum
    }`
  return new Function('ring', 'values', loop)(ring, ring.burst(burst))
}

function passSingle(rounds) {
  let sum = 0
  for (let round = 0; round < rounds; round++) {
    ring.enqueue(round)
    sum += ring.dequeue()
  }
  return sum
}

/**
 * Passes bursts through the ring. In a program the size of a burst is a constant, so each size has a loop of its own,
 * which is compiled from text. In a shared loop, V8 would treat the size as a variable.
 */
function passBursts({ burst, call, arrays, isOwn }) {
  const array = () => (isOwn ? ring.burst(burst) : new Uint32Array(burst))
  const from = Array.from({ length: arrays }, array)
  const to = Array.from({ length: arrays }, array)
  for (const values of from) for (let index = 0; index < burst; index++) values[index] = index
  const pass = (index) => `
      from${index}[0] = round
      sum += ring.enqueue${call}(from${index}, ${burst})
      sum += ring.dequeue${call}(to${index}, ${burst})
      sum += to${index}[0]`
  const loop = `
    const [from0, from1] = from, [to0, to1] = to
    return (rounds) => {
      let sum = 0
      for (let round = 0; round < rounds; round += ${arrays}) {${from.map((_, index) => pass(index)).join('')}
      }
      return sum
    }`
  return new Function('ring', 'from', 'to', loop)(ring, from, to)
}

function passes(shape) {
  if (!shape.isAligned) {
    ring.enqueue(0)
    ring.dequeue()
  }
  return shape.call === 'Single' ? passSingle : passBursts(shape)
}

const rounds = 'role' in work ? passBetween(work) : passes(work)
parentPort.on('message', (count) => {
  if (barrier !== undefined) startTogether()
  const start = process.hrtime.bigint()
  const sum = rounds(count)
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  parentPort.postMessage(Number.isFinite(sum) ? seconds : Number.NaN)
})
parentPort.postMessage(Number(basename(readlinkSync('/proc/thread-self'))))
