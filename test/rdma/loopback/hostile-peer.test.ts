import { createServer, type Server, Socket } from 'node:net'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseRemoteMemory } from '../../../src/index.js'
import { native } from '../../../src/native.js'
import { FrameReader } from '../../../src/rdma/loopback/network/frame-reader.js'
import { nameOf } from '../../../src/rdma/loopback/network/outgoing-links.js'
import {
  answerFrame,
  answerKinds,
  greetingFrame,
  type RequestPacket,
  readAnswer,
  requestFrame,
} from '../../../src/rdma/loopback/network/packets.js'
import { NearSide } from '../../support/near-side.js'
import { needs, whyNotBuilt } from '../../support/requirements.js'

/** The GID of the peer that this file plays. */
const hostileGid = 'fe80:0000:0000:0000:0000:0000:bad0:0001'
const hostileNumber = 77
const psn = 5
const opened: { destroy(): void }[] = []
let near: NearSide
let server: Server | undefined

beforeEach((context) => {
  needs(context, whyNotBuilt)
  near = new NearSide()
})
afterEach(() => {
  near?.close()
  for (const one of opened.splice(0)) one.destroy()
  server?.close()
  server = undefined
})

/** Listens by the GID of the hostile peer. */
function listen(welcome: (socket: Socket) => void): void {
  server = createServer((socket) => {
    opened.push(socket.on('error', () => {}))
    welcome(socket)
  })
  server.listen({ fd: native.listenAbstract(nameOf(hostileGid)) })
}

/** A queue pair of this side that is connected to the hostile peer. */
function connected(connect = {}) {
  const queuePair = near.domain.createQueuePair({ sendQueue: near.queue, receiveRequests: 16 })
  const access = ['remoteWrite', 'remoteRead', 'remoteAtomic'] as const
  queuePair.connect({ type: 'RC', number: hostileNumber, psn, gid: hostileGid, mtu: 4096 }, { access, ...connect })
  return queuePair
}

/** A connection of the hostile peer to the device of this side. */
function intrude(): { readonly socket: Socket; readonly answers: Buffer[] } {
  const { gid } = near.device.bestGid(1)
  const socket = new Socket({ fd: native.connectAbstract(nameOf(gid)), readable: true, writable: true })
  const answers: Buffer[] = []
  const reader = new FrameReader(16, 2 ** 20, (frame) => answers.push(Buffer.from(frame)) > 0)
  opened.push(socket.on('error', () => {}).on('data', (chunk: Buffer) => reader.feed(chunk)))
  return { socket, answers }
}

/** The connection ends, with or without an error. */
function closeOf(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve))
}

/** Asserts that no byte of this side's memory is set. */
function expectNothing(): void {
  const { bytes } = near.region
  expect(Buffer.compare(bytes, Buffer.alloc(bytes.length))).toBe(0)
}

const word = fc.oneof(fc.nat(16), fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(65_536, 4096, 2 ** 31))

/** Packets that look right in most of their parts. */
function packets(right: Partial<RequestPacket>): fc.Arbitrary<RequestPacket> {
  const part = (name: keyof RequestPacket, usual: fc.Arbitrary<number>) => {
    const known = right[name]
    return typeof known === 'number' ? fc.oneof({ weight: 20, arbitrary: fc.constant(known) }, word) : usual
  }
  return fc
    .record({
      opcode: fc.nat(9),
      type: fc.oneof({ weight: 20, arbitrary: fc.constant(2) }, fc.nat(255)),
      isSolicited: fc.boolean(),
      target: part('target', word),
      source: part('source', word),
      sequence: part(
        'sequence',
        fc.nat(12).map((step) => psn + step),
      ),
      total: fc.oneof(fc.nat(9000), fc.constantFrom(8, 65_537, 131_072)),
      offset: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.constantFrom(65_536, 131_072)),
      rkey: part('rkey', word),
      low: part('low', word),
      high: part('high', word),
      immediate: word,
      compareLow: word,
      compareHigh: word,
      swapLow: word,
      swapHigh: word,
    })
    .map((packet) => ({ ...packet, length: Math.max(0, Math.min(65_536, packet.total - packet.offset)) }))
}

test('whatever a peer sends, it reaches only memory that it was given, and gets one answer for each packet at most', async () => {
  listen((socket) => socket.resume().write(greetingFrame(hostileGid)))
  const { region, domain, memory } = near
  const given = memory.registerSync(region.slice(8192, 4096), domain, ['localWrite', 'remoteWrite', 'remoteAtomic'])
  const { address, rkey } = given
  const right = {
    source: hostileNumber,
    rkey,
    low: Number(address & 0xffff_ffffn),
    high: Number(address >> 32n),
  }
  await fc.assert(
    fc.asyncProperty(fc.array(packets(right), { minLength: 1, maxLength: 8 }), fc.boolean(), async (list, isRight) => {
      const queuePair = connected()
      queuePair.postReceive([{ memory: near.registration.slice(16_384, 64) }, {}])
      const { socket, answers } = intrude()
      socket.write(greetingFrame(hostileGid))
      let sequence = psn
      for (const packet of list) {
        const target = isRight ? { target: queuePair.queuePairNumber, sequence: sequence++ } : {}
        const frame = requestFrame({ ...packet, ...target })
        socket.write(frame)
      }
      socket.end()
      await closeOf(socket)
      expect(answers.length).toBeLessThanOrEqual(list.length + 1)
      region.bytes.fill(0, 8192, 12_288).fill(0, 16_384, 16_448)
      expectNothing()
      queuePair.close()
      near.queue.poll()
    }),
    { numRuns: 150 },
  )
})

test.each([
  { how: 'repeats the middle of a message', offsets: Array.from({ length: 40 }, () => 65_536), accepted: 1 },
  { how: 'leaves the middle of a message out', offsets: [131_072], accepted: 0 },
  { how: 'changes the length of a message', offsets: [65_536], total: 131_072, accepted: 0 },
  { how: 'begins another message in the middle of one', offsets: [0], accepted: 0 },
])('a peer that $how gets no answer to it, and its message does not arrive', async ({ offsets, accepted, total }) => {
  listen((socket) => socket.resume().write(greetingFrame(hostileGid)))
  const queuePair = connected()
  queuePair.postReceive({ memory: near.registration.slice(0, 2 ** 20) })
  const { socket, answers } = intrude()
  socket.write(greetingFrame(hostileGid))
  const packet = (offset: number, sequence: number, whole = 196_608) =>
    requestFrame({
      ...{ opcode: 2, type: 2, isSolicited: false, target: queuePair.queuePairNumber, source: hostileNumber },
      ...{ sequence: psn + sequence, total: whole, offset, length: 65_536, rkey: 0, low: 0, high: 0, immediate: 0 },
      ...{ compareLow: 0, compareHigh: 0, swapLow: 0, swapHigh: 0 },
    })
  socket.write(packet(0, 0))
  for (const [index, offset] of offsets.entries()) socket.write(packet(offset, index + 1, total))
  await expect.poll(() => answers.length).toBe(offsets.length + 2)
  // The first is the greeting.
  const kinds = answers.slice(1).map((answer) => readAnswer(answer)?.kind)
  expect(kinds.slice(0, accepted + 1).every((kind) => kind === answerKinds.done)).toBe(true)
  expect(kinds.slice(accepted + 1).every((kind) => kind === answerKinds.noAnswer)).toBe(true)
  expect(near.queue.poll()).toEqual([])
  expectNothing()
})

test('a refusal has the number of a failure', () => {
  const { refused } = answerKinds
  const isTaken = (status: number) => readAnswer(answerFrame(refused, 0, status, 0, 0)) !== undefined
  expect([0, 1, 22, 23, 2 ** 32 - 1].map(isTaken)).toEqual([false, true, true, false, false])
})

test('random bytes end the connection, and the device goes on', async () => {
  near.device.bestGid(1)
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 5, maxLength: 300 }), fc.boolean(), async (bytes, isGreeted) => {
      const { socket } = intrude()
      if (isGreeted) socket.write(greetingFrame(hostileGid))
      // A length that no frame has.
      socket.write(Buffer.concat([Buffer.from([255, 255, 255, 255]), bytes]))
      await closeOf(socket)
    }),
    { numRuns: 100 },
  )
  const queuePair = near.domain.createQueuePair({ sendQueue: near.queue })
  queuePair.connect(queuePair.describe())
  queuePair.postReceive({})
  queuePair.post({ operation: 'send', memory: [] })
  expect((await near.completions(2)).every(({ ok }) => ok)).toBe(true)
})

/** What a hostile listener answers to a connection. */
const replies = fc.oneof(
  fc.uint8Array({ maxLength: 100 }).map((bytes) => [Buffer.from(bytes)]),
  fc.array(
    fc
      .tuple(fc.nat(5), fc.nat(40), word, word, fc.constantFrom(0, 1, 8, 64, 65_536))
      .map(([kind, delay, status, vendorError, payload]) =>
        answerFrame(kind, delay, status, vendorError, payload).fill(1, 16),
      ),
    { maxLength: 6 },
  ),
)

test('whatever a peer answers, requests end with a completion, and only the memory of the request changes', async () => {
  let reply: readonly Buffer[] = []
  listen((socket) => {
    socket.resume().write(greetingFrame(hostileGid))
    for (const frame of reply) socket.write(frame)
    socket.end()
  })
  const target = near.registration.slice(65_536, 64)
  await fc.assert(
    fc.asyncProperty(replies, async (frames) => {
      reply = frames
      const queuePair = connected({ timeout: 1, retryCount: 1, rnrRetry: 1 })
      const remote = near.registration.describe()
      const to = parseRemoteMemory(remote).slice(0, 64)
      queuePair.post([
        { operation: 'read', memory: target, remote: to },
        { operation: 'fetchAndAdd', memory: target.slice(0, 8), remote: to.slice(0, 8), add: 1n },
      ])
      expect(await near.completions(2)).toHaveLength(2)
      near.region.bytes.fill(0, 65_536, 65_600)
      expectNothing()
      queuePair.close()
    }),
    { numRuns: 150 },
  )
})

test('a peer that asks and never reads the answers is disconnected, and the memory for it is bounded', async () => {
  listen((socket) => socket.resume().write(greetingFrame(hostileGid)))
  const queuePair = connected()
  const { registration } = near
  const { socket } = intrude()
  socket.pause()
  socket.write(greetingFrame(hostileGid))
  const { address, rkey } = registration
  const closed = closeOf(socket)
  for (let count = 0; count < 4096 && socket.writable; count++) {
    const packet = {
      ...{ opcode: 4, type: 2, isSolicited: false, target: queuePair.queuePairNumber, source: hostileNumber },
      ...{ sequence: psn + count, total: 65_536, offset: 0, length: 65_536, rkey, immediate: 0 },
      ...{ low: Number(address & 0xffff_ffffn), high: Number(address >> 32n) },
      ...{ compareLow: 0, compareHigh: 0, swapLow: 0, swapHigh: 0 },
    }
    socket.write(requestFrame(packet))
  }
  await expect.poll(() => socket.destroyed || socket.writableLength === 0).toBe(true)
  socket.resume()
  await closed
  expect(queuePair.query().state).toBe('RTS')
})
