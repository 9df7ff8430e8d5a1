import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { attachPackets, attachRegion } from '../../../dist/index.js'
import { randomNumbers } from '../random.mjs'

// One of several threads that allocate, share, cut and free packets, until they have done enough or are killed. Each
// thread writes its name into its packets, and checks the name before it frees them: another owner would have
// overwritten it.

const { handle, name, operations, holds, shared } = workerData
const region = attachRegion(handle)
const packets = attachPackets(region)
const bursts = [new Uint32Array(32), packets.burst(32)]
const held = []
const random = randomNumbers(name * 2654435761)
let done = 0
let wrong = 0

function keep(index) {
  if (index < 0) return
  packets.append(index, 8)
  packets.bytes(index).fill(name)
  held.push(index)
  done += 1
}

function takeBack() {
  const [index] = held.splice(random(held.length), 1)
  for (const part of packets.parts(index))
    if (region.view(part.offset, part.length).some((byte) => byte !== name)) wrong += 1
  return index
}

/** Takes or frees a packet, or makes and cuts a chain. A chain counts as one held packet. */
function step() {
  const way = random(7)
  if (held.length + 32 > holds || (way === 0 && held.length > 0)) {
    packets.free(takeBack())
  } else if (way === 1) {
    const burst = bursts[random(2)]
    if (packets.allocateBulk(burst, 32) > 0) packets.freeBulk(burst, 32)
  } else if (way === 2) {
    const clone = packets.clone(shared)
    if (clone >= 0) packets.free(clone)
    done += 1
  } else if (way === 3 && held.length > 1) {
    const [head, tail] = [takeBack(), takeBack()]
    packets.chain(head, tail)
    held.push(head)
  } else if (way === 4 && held.length > 0) {
    const index = takeBack()
    const rest = packets.split(index, random(packets.length(index)))
    held.push(index)
    if (rest >= 0) held.push(rest)
  } else if (way === 5 && held.length > 0) {
    const copy = packets.copy(held[random(held.length)])
    if (copy >= 0) packets.free(copy)
  } else keep(packets.allocate())
}

parentPort.postMessage('ready')
await once(parentPort, 'message') // all threads begin together
while (done < operations) step()
while (held.length > 0) packets.free(takeBack())
packets.close()
parentPort.postMessage({ done, wrong })
parentPort.unref()
