import { expectTypeOf, test } from 'vitest'
import {
  formatGid,
  parseQueuePair,
  parseRemoteMemory,
  type QueuePair,
  type QueuePairDescription,
  type ReceiveBatch,
  type ReceiveRing,
  type RemoteMemory,
  type SendBatch,
  type SendRing,
} from '../../src/index.js'

// The compiler checks these tests. The functions in them are never called.

test('a function that checks untrusted input accepts any type', () => {
  const untrusted: unknown = undefined
  const calls = (queuePair: QueuePair) => {
    const peer = parseQueuePair(untrusted)
    expectTypeOf(peer).toEqualTypeOf<QueuePairDescription>()
    expectTypeOf(parseRemoteMemory(untrusted)).toEqualTypeOf<RemoteMemory>()
    queuePair.connect(untrusted)
    queuePair.connect(peer, { access: ['remoteRead'], maxReadsStarted: 4, maxReadsServed: 4 })
    queuePair.connect({ type: 'RC', number: 7, psn: 0, gid: '::ffff:10.77.0.1', mtu: 1024 })
  }
  expectTypeOf(calls).toBeFunction()
  expectTypeOf<typeof parseQueuePair>().parameter(0).toBeUnknown()
  expectTypeOf<typeof parseRemoteMemory>().parameter(0).toBeUnknown()
  expectTypeOf<QueuePair['connect']>().parameter(0).toBeUnknown()
})

test('an option that would do nothing does not compile', () => {
  const wrong = (queuePair: QueuePair) => {
    // @ts-expect-error: a GID is chosen by connect
    queuePair.initialize({ gidIndex: 1 })
    // @ts-expect-error: the rights of a peer are not part of the description
    queuePair.describe({ access: ['remoteRead'] })
    // @ts-expect-error: there is no such spelling
    formatGid('::1', { spelling: 'long' })
  }
  expectTypeOf(wrong).toBeFunction()
})

test('the former names of batches are aliases', () => {
  expectTypeOf<SendRing>().toEqualTypeOf<SendBatch>()
  expectTypeOf<ReceiveRing>().toEqualTypeOf<ReceiveBatch>()
  expectTypeOf<QueuePair['sends']>().toEqualTypeOf<SendBatch>()
})
