// One end of sustained traffic over a connection by address. Both ends do the same: each offers memory, writes into the
// memory that the other offers, reads it back, and tells its checksum. Who was written to compares the checksum, closes the
// region, and offers a new one. So regions and registrations come and go on both sides while the traffic runs.
import { crc32 } from 'node:zlib'
import { openDevice, openRegistrySync, parseRemoteMemory } from '../../../dist/index.js'
import { randomNumbers } from '../random.mjs'

const slots = 4
const messageBytes = 64
const longest = 65_536
const receives = 4 * slots
const kinds = { offer: 1, written: 2, stop: 3 }

/** Retries until the server listens. Under emulation, a machine takes seconds to start. */
async function connected(device, place, queuePair) {
  for (const end = performance.now() + 120_000; ; ) {
    try {
      return await device.connect({ ...place, queuePair, access: ['remoteWrite', 'remoteRead'] })
    } catch (error) {
      if (performance.now() > end || !/REFUSED|TIMEOUT|UNREACHABLE/.test(error.code)) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

/**
 * Runs one end for a while, and closes everything that it has opened.
 *
 * @param listens called when the server listens
 * @param moved called after each verified transfer
 */
export async function traffic(
  { isServer, seconds, deviceName, place, seed },
  { listens = () => {}, moved = () => {} },
) {
  const random = randomNumbers(seed)
  const device = openDevice(deviceName)
  const memory = openRegistrySync({ leaks: 'off' })
  const domain = device.createDomain()
  const queue = device.createCompletionQueue({ entries: 512 })
  const queuePair = domain.createQueuePair({ sendQueue: queue, sendRequests: 64, receiveRequests: receives })
  const messages = memory.allocateSync('messages', { size: 4096, pages: 'base' })
  const registered = memory.registerSync(messages, domain, ['localWrite'])
  const counts = { transfers: 0, bytes: 0, regions: 0, wrong: 0 }
  const offered = Array.from({ length: slots })
  const mayWrite = Array.from({ length: slots }, () => resolvers())
  const peerStopped = resolvers()
  let isOver = false

  function newRegion(size, access) {
    const region = memory.allocateSync(`region-${counts.regions++}`, { size, pages: 'base' })
    const registration = memory.registerSync(region, domain, ['localWrite', ...access])
    const close = () => {
      registration.close()
      region.close()
    }
    return { region, registration, close }
  }

  /** Sends one message. Each slot has a place of its own for each kind, so no message overwrites another on its way. */
  async function tell(kind, slot, { length = 0, checksum = 0, address = '0', rkey = 0 }) {
    const at = (receives + kind * slots + slot) * messageBytes
    const words = new DataView(messages.bytes.buffer, messages.bytes.byteOffset + at, messageBytes)
    for (const [index, word] of [kind, slot, length, checksum, rkey].entries()) words.setUint32(index * 4, word)
    words.setBigUint64(24, BigInt(address))
    await queuePair.request({ operation: 'send', memory: registered.slice(at, messageBytes) })
  }

  async function offer(slot) {
    const size = 4096 * (1 + random(longest / 4096))
    offered[slot] = newRegion(size, ['remoteWrite', 'remoteRead'])
    const { address, rkey } = offered[slot].registration.describe()
    await tell(kinds.offer, slot, { length: size, address, rkey })
  }

  function take(words) {
    const [kind, slot, length, checksum, rkey] = [0, 1, 2, 3, 4].map((index) => words.getUint32(index * 4))
    if (kind === kinds.stop) peerStopped.resolve()
    else if (kind === kinds.offer) {
      const address = words.getBigUint64(24)
      mayWrite[slot].resolve(parseRemoteMemory({ address, rkey, length }))
    } else {
      const { region, close } = offered[slot]
      if (crc32(region.view(0, length)) !== checksum) counts.wrong += 1
      close()
      offered[slot] = undefined
      return offer(slot)
    }
  }

  async function receiveInto(number) {
    const at = number * messageBytes
    for (;;) {
      await queuePair.receive({ memory: registered.slice(at, messageBytes) })
      await take(new DataView(messages.bytes.slice(at, at + messageBytes).buffer))
    }
  }

  /** Fills what the peer offers in this slot, again and again. */
  async function writeTo(slot) {
    while (!isOver) {
      const remote = await mayWrite[slot].promise
      mayWrite[slot] = resolvers()
      const length = 1 + random(remote.length)
      const [from, back] = [newRegion(length, []), newRegion(length, [])]
      const bytes = from.region.view(0, length)
      for (let index = 0; index < length; index += 1 + random(64)) bytes[index] = random(256)
      const there = remote.slice(0, length)
      const places = [from, back].map(({ registration }) => registration.slice(0, length))
      await Promise.all([
        queuePair.request({ operation: 'write', memory: places[0], remote: there }),
        queuePair.request({ operation: 'read', memory: places[1], remote: there }),
      ])
      const checksum = crc32(bytes)
      if (crc32(back.region.view(0, length)) !== checksum) counts.wrong += 1
      for (const { close } of [from, back]) close()
      counts.transfers += 1
      counts.bytes += length
      await tell(kinds.written, slot, { length, checksum })
      moved(counts)
    }
  }

  try {
    queuePair.initialize({ access: ['remoteWrite', 'remoteRead'] })
    const receiving = Array.from({ length: receives }, (_, number) => receiveInto(number))
    const lost = Promise.race(receiving)
    lost.catch(() => {})
    for (const one of receiving) one.catch(() => {}) // the first failure tells the reason
    const connection = isServer ? await accepted() : await connected(device, place, queuePair)
    const offers = Promise.all(Array.from({ length: slots }, (_, slot) => offer(slot)))
    const writing = Promise.all(Array.from({ length: slots }, (_, slot) => writeTo(slot)))
    const timer = setTimeout(() => {
      isOver = true
    }, seconds * 1000)
    try {
      await Promise.race([Promise.all([offers, writing]), lost])
      // The client disconnects when it has heard the server's word, so the server speaks last. Its word may be heard, and
      // the connection ended, before its completion is there.
      if (!isServer) await tell(kinds.stop, 0, {})
      await Promise.race([peerStopped.promise, lost])
      if (isServer) await tell(kinds.stop, 0, {}).catch(() => {})
    } finally {
      clearTimeout(timer)
    }
    if (isServer) await connection.closed
    else await connection.disconnect()
    return counts
  } finally {
    device.close({ force: true })
    memory.close()
  }

  async function accepted() {
    const listener = device.listen(place)
    listens(listener.place)
    const request = await listener.next()
    const connection = await request.accept({ queuePair, access: ['remoteWrite', 'remoteRead'] })
    await listener.close()
    return connection
  }
}

/** As Promise.withResolvers, which Node 20 lacks. */
function resolvers() {
  let resolve
  const promise = new Promise((done) => {
    resolve = done
  })
  return { promise, resolve }
}
