import { Duplex, duplexPair, PassThrough } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as z from 'zod/mini'
import { now } from '../../src/builtins.js'
import { PinfoldError } from '../../src/errors.js'
import { MessageStream, mostMessageBytes } from '../../src/streams/message-stream.js'

const schema = z.strictObject({ text: z.string() })
const soon = (milliseconds = 5000, signal?: AbortSignal) => ({ signal, deadline: now() + milliseconds })

/** A stream whose incoming bytes the test writes. */
function incoming(): { readonly stream: Duplex; readonly peer: PassThrough } {
  const peer = new PassThrough()
  return { stream: Duplex.from({ readable: peer, writable: new PassThrough() }), peer }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'taken'
  } catch (error) {
    if (error instanceof PinfoldError) return error.code
    throw error
  }
}

/** The bytes of a message, as another implementation would write them. */
function frame(text: string): Buffer {
  const body = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([Buffer.from('pinf\x01'), length.subarray(1), body])
}

test('messages arrive in order and whole, and bytes after them stay in the stream', async () => {
  const [near, far] = duplexPair()
  const sender = new MessageStream(near, 'test')
  const receiver = new MessageStream(far, 'test')
  const long = 'x'.repeat(mostMessageBytes - 20)
  sender.send({ text: long })
  sender.send({ text: 'two' })
  near.write('rest')
  expect(await receiver.receive(schema, soon())).toEqual({ text: long })
  expect(await receiver.receive(schema, soon())).toEqual({ text: 'two' })
  const rest = new Promise((resolve) => far.once('data', resolve))
  expect(String(await rest)).toBe('rest')
  expect(far.listenerCount('readable') + far.listenerCount('close') + far.listenerCount('error')).toBe(0)
})

test('a message that comes in pieces of one byte is understood', async () => {
  const { stream, peer } = incoming()
  const received = new MessageStream(stream, 'test').receive(schema, soon())
  for (const byte of frame('{"text":"ü"}')) peer.write(Buffer.of(byte))
  expect(await received).toEqual({ text: 'ü' })
})

test('a message that is too long is refused by both sides', async () => {
  const { stream, peer } = incoming()
  const messages = new MessageStream(stream, 'test')
  expect(() => messages.send({ text: 'x'.repeat(mostMessageBytes) })).toThrow(/at most 65536/)
  peer.write(Buffer.from('pinf\x01\x01\x00\x01'))
  expect(await codeOf(messages.receive(schema, soon()))).toBe('ERR_PEER_PROTOCOL')
})

test.each([
  ['other letters', Buffer.from('GET / HTTP/1.1\r\n'), /no message of pinfold/],
  ['another version', Buffer.from('pinf\x02\x00\x00\x02{}'), /version 2/],
  ['no JSON', frame('{'), /no JSON/],
  ['no text', frame(''), /no JSON/],
  ['another shape', frame('{"text":1}'), /not understood at 'text'/],
  ['one property more', frame('{"text":"","__proto__":{}}'), /not understood/],
])('%s is a typed error', async (_, bytes, message) => {
  const { stream, peer } = incoming()
  peer.write(bytes)
  const received = new MessageStream(stream, 'test').receive(schema, soon())
  await expect(received).rejects.toMatchObject({ code: 'ERR_PEER_PROTOCOL', message: expect.stringMatching(message) })
})

test('the end, a failure and the close of the stream are typed errors', async () => {
  for (const end of [
    (peer: PassThrough) => peer.end(Buffer.from('pinf')),
    (_: PassThrough, stream: Duplex) => stream.destroy(),
    (_: PassThrough, stream: Duplex) => stream.destroy(new Error('broken')),
  ]) {
    const { stream, peer } = incoming()
    const messages = new MessageStream(stream, 'test')
    const received = messages.receive(schema, soon())
    end(peer, stream)
    expect(await codeOf(received)).toBe('ERR_PEER_CLOSED')
    expect(await codeOf(messages.receive(schema, soon()))).toBe('ERR_PEER_CLOSED')
    stream.on('error', () => {}).destroy()
  }
})

test('a silent peer is a typed error at the deadline, and an abort rejects with its reason', async () => {
  const { stream } = incoming()
  const messages = new MessageStream(stream, 'test')
  expect(await codeOf(messages.receive(schema, soon(1)))).toBe('ERR_PEER_TIMEOUT')
  const reason = new Error('enough')
  const controller = new AbortController()
  const received = messages.receive(schema, soon(5000, controller.signal))
  controller.abort(reason)
  await expect(received).rejects.toBe(reason)
  await expect(messages.receive(schema, soon(5000, controller.signal))).rejects.toBe(reason)
})

test('random bytes and random JSON are understood or refused, and never anything else', async () => {
  const input = fc.oneof(
    fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map(frame),
    fc.uint8Array({ maxLength: 64 }).map((bytes) => frame(Buffer.from(bytes).toString('latin1'))),
  )
  await fc.assert(
    fc.asyncProperty(input, async (bytes) => {
      const { stream, peer } = incoming()
      peer.end(bytes)
      const code = await codeOf(new MessageStream(stream, 'test').receive(schema, soon()))
      expect(['taken', 'ERR_PEER_PROTOCOL', 'ERR_PEER_CLOSED']).toContain(code)
    }),
    { numRuns: 300 },
  )
})
