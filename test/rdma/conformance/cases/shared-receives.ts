import assert from 'node:assert/strict'
import { group } from '../case.js'
import { fill, refusal } from '../kit.js'
import type { RegistrationSlice } from '../rdma.js'

export const sharedReceives = group('shared receive queues', [
  {
    name: 'two queue pairs take from one, in order',
    expects: '1, 2, 3',
    async run(kit) {
      const shared = kit.domain.createSharedReceiveQueue()
      const queue = kit.queue()
      const [first, second] = [1, 2].map(() => kit.pair({ far: { queue, sharedReceiveQueue: shared } }))
      assert.ok(first !== undefined && second !== undefined)
      const from = kit.buffer(16).fill(1)
      const to = kit.buffer(48)
      shared.postReceive([1, 2, 3].map((id) => ({ id, memory: to.registration.slice(id * 16 - 16, 16) })))
      const ids: number[] = []
      for (const { near, far } of [first, second, first]) {
        near.queuePair.post({ operation: 'send', memory: from.registration })
        const { id, queuePair } = await kit.completion(queue)
        assert.equal(queuePair, far.queuePair.queuePairNumber)
        ids.push(id)
      }
      for (const at of [0, 16, 32]) assert.deepEqual(to.bytes.subarray(at, at + 16), from.bytes)
      return ids.join(', ')
    },
  },
  {
    name: 'send without a shared receive, rnrRetry 0',
    expects: 'RNR_RETRY_EXC_ERR',
    async run(kit) {
      const shared = kit.domain.createSharedReceiveQueue()
      const { near } = kit.pair({ far: { sharedReceiveQueue: shared }, connect: { rnrRetry: 0 } })
      near.queuePair.post({ operation: 'send', memory: [] })
      return await kit.status(near.queue)
    },
  },
  {
    name: 'postReceive on a queue pair that takes from a shared queue',
    expects: 'ERR_INVALID_ARGUMENT',
    run(kit) {
      const { queuePair } = kit.end({ sharedReceiveQueue: kit.domain.createSharedReceiveQueue() })
      queuePair.initialize()
      return refusal(() => queuePair.postReceive({}))
    },
  },
  {
    name: 'below its limit there is one event',
    expects: 'SRQ_LIMIT_REACHED, limit 0 afterwards',
    async run(kit) {
      const shared = kit.domain.createSharedReceiveQueue({ requests: 8 })
      const { near, far } = kit.pair({ far: { sharedReceiveQueue: shared } })
      shared.postReceive([{}, {}, {}])
      shared.modify({ limit: 2 })
      assert.equal(shared.query().limit, 2)
      near.queuePair.post([1, 2].map((id) => ({ operation: 'send', id, memory: [] })))
      await kit.completions(far.queue, 2)
      const { type, sharedReceiveQueue } = await kit.event('SRQ_LIMIT_REACHED')
      assert.equal(sharedReceiveQueue, shared)
      return `${type}, limit ${shared.query().limit} afterwards`
    },
  },
  {
    name: 'more receives than it has room for',
    expects: 'ERR_QUEUE_FULL',
    run(kit) {
      const shared = kit.domain.createSharedReceiveQueue({ requests: 4 })
      const post = () => shared.postReceive({})
      const taken = fill(post)
      assert.ok(taken >= shared.capacity.requests, `${taken} were taken`)
      return refusal(post)
    },
  },
  {
    name: 'a receive with more entries than it has',
    expects: 'ERR_OUT_OF_RANGE',
    run(kit) {
      const shared = kit.domain.createSharedReceiveQueue({ entries: 1 })
      const { registration } = kit.buffer()
      const entries: RegistrationSlice[] = []
      for (let at = 0; at <= shared.capacity.entries; at++) entries.push(registration.slice(at, 1))
      return refusal(() => shared.postReceive({ memory: entries }))
    },
  },
  {
    name: 'resize keeps what is posted',
    expects: 'SUCCESS, SUCCESS',
    async run(kit) {
      const shared = kit.domain.createSharedReceiveQueue({ requests: 4 })
      const { near, far } = kit.pair({ far: { sharedReceiveQueue: shared } })
      shared.postReceive([{ id: 1 }, { id: 2 }])
      kit.optional('resizing shared receive queues', () => shared.modify({ requests: 100 }))
      assert.ok(shared.capacity.requests >= 100)
      near.queuePair.post([1, 2].map((id) => ({ operation: 'send', id, memory: [] })))
      const received = await kit.completions(far.queue, 2)
      assert.deepEqual(
        received.map(({ id }) => id),
        [1, 2],
      )
      return received.map(({ status }) => status).join(', ')
    },
  },
  {
    name: 'a limit far above its room',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run(kit) {
      const shared = kit.domain.createSharedReceiveQueue({ requests: 4 })
      return refusal(() => shared.modify({ limit: shared.capacity.requests + 5000 }))
    },
  },
  {
    name: 'a queue pair in ERR has taken its last receive: there is an event, and the others stay for the rest',
    expects: 'QP_LAST_WQE_REACHED, then SUCCESS',
    async run(kit) {
      const shared = kit.domain.createSharedReceiveQueue()
      const failing = kit.pair({ far: { sharedReceiveQueue: shared } })
      const other = kit.pair({ far: { sharedReceiveQueue: shared } })
      shared.postReceive({ id: 6 })
      failing.far.queuePair.modify({ state: 'ERR' })
      const event = await kit.eventSoon('QP_LAST_WQE_REACHED')
      other.near.queuePair.post({ operation: 'send', memory: [] })
      const { id, status } = await kit.completion(other.far.queue)
      assert.deepEqual([id, status], [6, 'SUCCESS'])
      kit.excuse(event === undefined, 'it tells no QP_LAST_WQE_REACHED')
      assert.equal(event?.queuePair, failing.far.queuePair)
      return `${event?.type}, then ${status}`
    },
  },
])
