// A thread with a ring (workloads/ring.ts), alone or at one end of it: told how many rounds, it answers the seconds that
// they took. An isolate of its own, so that V8 has seen no other ring, nor another burst.
import { readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion, attachRing } from 'pinfold'

const { handle, work, barrier } = workerData
const ring = attachRing(attachRegion(handle))
const ready = new Int32Array(barrier ?? new SharedArrayBuffer(4))
const values = Uint32Array.from({ length: 32 }, (_, index) => index)
const out = new Uint32Array(32)

function startTogether() {
  Atomics.add(ready, 0, 1)
  while (Atomics.load(ready, 0) < 2);
}

const works = {
  produce(rounds) {
    for (let round = 0; round < rounds; round++) {
      values[0] = round
      while (ring.enqueueBulk(values, 32) === 0);
    }
    return 0
  },
  consume(rounds) {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      while (ring.dequeueBulk(values, 32) === 0);
      sum += values[0]
    }
    return sum
  },
  1(rounds) {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      ring.enqueue(round)
      sum += ring.dequeue()
    }
    return sum
  },
  8(rounds) {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      values[0] = round
      sum += ring.enqueueBulk(values, 8)
      sum += ring.dequeueBulk(out, 8)
      sum += out[0]
    }
    return sum
  },
  32(rounds) {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      values[0] = round
      sum += ring.enqueueBulk(values, 32)
      sum += ring.dequeueBulk(out, 32)
      sum += out[0]
    }
    return sum
  },
}

parentPort.on('message', (rounds) => {
  if (barrier !== undefined) startTogether()
  const start = process.hrtime.bigint()
  const sum = works[work](rounds)
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  parentPort.postMessage(Number.isFinite(sum) ? seconds : Number.NaN)
})
parentPort.postMessage(Number(basename(readlinkSync('/proc/thread-self'))))
