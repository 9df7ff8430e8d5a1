// Closes a region while the runtime still works on its bytes, as its arguments say. Prints one line of JSON if it
// survives.
import { randomFill, randomFillSync } from 'node:crypto'
import { close, closeSync, openSync, read, write } from 'node:fs'
import { MessageChannel } from 'node:worker_threads'
import { deflateRaw } from 'node:zlib'
import { openRegistrySync } from '../../../dist/index.js'

const [, , scenario = '', pages = 'base'] = process.argv
const size = 8 * 2 ** 20
const rounds = 10

/** Starts a job on the bytes, closes the region under it, and waits for the job. */
const jobs = {
  // The whole output fits into one buffer. Node itself asserts if an ArrayBuffer is detached between two writes of a
  // job.
  zlib: (bytes, done) => deflateRaw(bytes, { chunkSize: 2 * size }, done),
  randomFill: (bytes, done) => randomFill(bytes, done),
  read: (bytes, done) => {
    const file = openSync('/dev/urandom', 'r')
    read(file, bytes, 0, size, null, (error) => close(file, () => done(error)))
  },
  write: (bytes, done) => {
    const file = openSync('/dev/null', 'w')
    write(file, bytes, (error) => close(file, () => done(error)))
  },
}

/** Moves or copies the bytes, and then closes the region. Returns the bytes that are read afterwards. */
const moves = {
  transfer: (region) => {
    const moved = new Uint8Array(region.bytes.buffer.transfer())
    const before = moved[0]
    region.close()
    return { before, after: moved[0], sum: moved.reduce((sum, byte) => sum + byte, 0) }
  },
  structuredClone: (region) => {
    const copy = structuredClone(region.bytes)
    region.close()
    return { before: copy[0], after: copy[0], sum: copy.reduce((sum, byte) => sum + byte, 0) }
  },
  // Node 20 copies an ArrayBuffer of pinfold, and later versions refuse to move it. In both cases, the process goes on.
  cloneTransferred: (region) => {
    let refused = false
    try {
      structuredClone(region.bytes.buffer, { transfer: [region.bytes.buffer] })
    } catch {
      refused = true
    }
    region.close()
    return { refused }
  },
  postMessage: (region) => {
    const { port1, port2 } = new MessageChannel()
    let refused = false
    try {
      port1.postMessage(region.bytes, [region.bytes.buffer])
    } catch {
      refused = true
    }
    region.close()
    port1.close()
    port2.close()
    return { refused }
  },
}

const memory = openRegistrySync({ leaks: 'off' })
const results = []
for (let round = 0; round < rounds; round++) {
  const region = memory.allocateSync('r', { size, pages })
  randomFillSync(region.bytes)
  region.bytes[0] = 7
  if (scenario in moves) {
    results.push(moves[scenario](region))
    continue
  }
  await new Promise((resolve) => {
    const { bytes } = region
    jobs[scenario](bytes, (error) => resolve(results.push({ failed: error !== null && error !== undefined })))
    region.close()
    results.push({ length: bytes.length })
    globalThis.gc?.()
  })
}
memory.close()
for (let round = 0; round < 5; round++) {
  globalThis.gc?.()
  await new Promise((resolve) => setImmediate(resolve))
}
closeSync(openSync('/dev/null'))
console.log(JSON.stringify(results))
