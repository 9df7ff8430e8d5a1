import assert from 'node:assert/strict'
import { group } from '../case.js'
import { fill, refusal } from '../kit.js'
import type { RegistrationSlice } from '../rdma.js'
import { assertBytes, transfer } from '../transfer.js'

/** With these options, a request to a peer that does not answer fails after some milliseconds. */
const impatient = { timeout: 8, retryCount: 1 } as const

export const queues = group('queues and their limits', [
  {
    name: 'send without a receive, rnrRetry 0',
    expects: 'RNR_RETRY_EXC_ERR',
    async run(kit) {
      const { near } = kit.pair({ connect: { rnrRetry: 0 } })
      near.queuePair.post({ operation: 'send', memory: kit.buffer(64).registration })
      const status = await kit.status(near.queue)
      assert.equal(near.queuePair.query().state, 'ERR')
      return status
    },
  },
  {
    name: 'send without a receive, rnrRetry 2',
    expects: 'RNR_RETRY_EXC_ERR',
    async run(kit) {
      const { near } = kit.pair({ connect: { rnrRetry: 2, minRnrTimer: 1 } })
      near.queuePair.post({ operation: 'send', memory: kit.buffer(64).registration })
      return await kit.status(near.queue)
    },
  },
  {
    name: 'write with immediate without a receive, rnrRetry 0',
    expects: 'RNR_RETRY_EXC_ERR',
    async run(kit) {
      const { near } = kit.pair({ connect: { rnrRetry: 0 } })
      const { source, to } = transfer(kit, 64)
      near.queuePair.post({ operation: 'writeWithImmediate', memory: source, remote: to.remote, immediate: 1 })
      return await kit.status(near.queue)
    },
  },
  {
    name: 'send without a receive, rnrRetry 7: waits for one, and those behind it wait, too',
    expects: 'SUCCESS, SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair({ connect: { rnrRetry: 7, minRnrTimer: 1 } })
      const { source, target, arrived, to, from } = transfer(kit, 64)
      const later = kit.buffer(64)
      near.queuePair.post([
        { operation: 'send', memory: source },
        { operation: 'write', memory: from.registration.slice(0, 64), remote: later.remote },
      ])
      // The send is refused a few times meanwhile.
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.deepEqual(near.queue.poll(), [])
      assertBytes(later.bytes, new Uint8Array(64))
      assert.notEqual(to.bytes[5], from.bytes[3])
      far.queuePair.postReceive({ memory: target })
      const statuses = await kit.statuses(near.queue, 2)
      arrived()
      assertBytes(later.bytes, from.bytes.subarray(3, 67))
      return statuses
    },
  },
  {
    name: 'send of one byte more than the receive has room for',
    expects: 'receiver LOC_QP_OP_ERR, sender REM_OP_ERR',
    async run(kit) {
      const { near, far } = kit.pair()
      const from = kit.buffer(65).fill(1)
      const to = kit.part(4096, 8, 64)
      far.queuePair.postReceive({ memory: to.registration })
      near.queuePair.post({ operation: 'send', memory: from.registration })
      const received = await kit.status(far.queue)
      assertBytes(to.bytes.subarray(72), new Uint8Array(4096 - 72))
      return `receiver ${received}, sender ${await kit.status(near.queue)}`
    },
  },
  {
    name: 'send of one byte to a receive without memory',
    expects: 'receiver LOC_QP_OP_ERR, sender REM_OP_ERR',
    async run(kit) {
      const { near, far } = kit.pair()
      far.queuePair.postReceive({})
      near.queuePair.post({ operation: 'send', memory: kit.buffer(1).registration })
      return `receiver ${await kit.status(far.queue)}, sender ${await kit.status(near.queue)}`
    },
  },
  {
    name: 'what is posted after a failure is flushed, in order, receives too',
    expects: 'REM_ACCESS_ERR, WR_FLUSH_ERR, WR_FLUSH_ERR; WR_FLUSH_ERR, WR_FLUSH_ERR',
    async run(kit) {
      const receives = kit.queue()
      const { near } = kit.pair({ near: { receiveQueue: receives } })
      const { source, to } = transfer(kit, 8)
      near.queuePair.postReceive([{ id: 11 }, { id: 12 }])
      near.queuePair.post([
        { operation: 'write', id: 1, memory: source, remote: to.forged({ rkey: 0 }) },
        { operation: 'write', id: 2, memory: source, remote: to.remote },
        { operation: 'send', id: 3, memory: source, signaled: false },
      ])
      const sent = await kit.completions(near.queue, 3)
      const received = await kit.completions(receives, 2)
      assert.deepEqual(
        [...sent, ...received].map(({ id }) => id),
        [1, 2, 3, 11, 12],
      )
      return [sent, received].map((list) => list.map(({ status }) => status).join(', ')).join('; ')
    },
  },
  {
    name: 'send that is posted in ERR',
    expects: 'WR_FLUSH_ERR',
    async run(kit) {
      const { near } = kit.pair()
      near.queuePair.modify({ state: 'ERR' })
      near.queuePair.post({ operation: 'send', id: 4, memory: kit.buffer(8).registration })
      const { id, status } = await kit.completion(near.queue)
      assert.equal(id, 4)
      return status
    },
  },
  {
    name: 'receive that is posted in ERR',
    expects: 'WR_FLUSH_ERR',
    async run(kit) {
      const { near } = kit.pair()
      near.queuePair.modify({ state: 'ERR' })
      near.queuePair.postReceive({ id: 5 })
      const flushed = await kit.completionSoon(near.queue)
      kit.excuse(flushed === undefined, 'receives that are posted in ERR stay where they are')
      assert.equal(flushed?.id, 5)
      return flushed?.status ?? 'nothing'
    },
  },
  {
    name: 'modify to ERR flushes the receives that wait, in order',
    expects: 'WR_FLUSH_ERR, WR_FLUSH_ERR, WR_FLUSH_ERR',
    async run(kit) {
      const { far } = kit.pair()
      far.queuePair.postReceive([{ id: 1 }, { id: 2 }, { id: 3 }])
      far.queuePair.modify({ state: 'ERR' })
      const flushed = await kit.completions(far.queue, 3)
      assert.deepEqual(
        flushed.map(({ id }) => id),
        [1, 2, 3],
      )
      return flushed.map(({ status }) => status).join(', ')
    },
  },
  {
    name: 'the peer has been closed',
    expects: 'RETRY_EXC_ERR',
    async run(kit) {
      const { near, far } = kit.pair({ connect: impatient })
      far.queuePair.close()
      const { source, to } = transfer(kit, 8)
      near.queuePair.post({ operation: 'write', memory: source, remote: to.remote })
      return await kit.status(near.queue)
    },
  },
  {
    name: 'the peer is in RESET',
    expects: 'RETRY_EXC_ERR',
    async run(kit) {
      const { near, far } = kit.pair({ connect: impatient })
      far.queuePair.modify({ state: 'RESET' })
      const { source, to } = transfer(kit, 8)
      near.queuePair.post({ operation: 'write', memory: source, remote: to.remote })
      return await kit.status(near.queue)
    },
  },
  {
    name: 'the peer is in ERR',
    expects: 'RETRY_EXC_ERR',
    async run(kit) {
      const { near, far } = kit.pair({ connect: impatient })
      far.queuePair.modify({ state: 'ERR' })
      const { source, to } = transfer(kit, 8)
      near.queuePair.post({ operation: 'write', memory: source, remote: to.remote })
      return await kit.status(near.queue)
    },
  },
  {
    name: 'a send with more entries than the queue pair has',
    expects: 'ERR_OUT_OF_RANGE',
    run(kit) {
      const { near } = kit.pair()
      const { registration } = kit.buffer()
      const entries: RegistrationSlice[] = []
      for (let at = 0; at <= near.queuePair.capacity.sendEntries; at++) entries.push(registration.slice(at, 1))
      return refusal(() => near.queuePair.post({ operation: 'send', memory: entries }))
    },
  },
  {
    name: 'a receive with more entries than the queue pair has',
    expects: 'ERR_OUT_OF_RANGE',
    run(kit) {
      const { near } = kit.pair()
      const { registration } = kit.buffer()
      const entries: RegistrationSlice[] = []
      for (let at = 0; at <= near.queuePair.capacity.receiveEntries; at++) entries.push(registration.slice(at, 1))
      return refusal(() => near.queuePair.postReceive({ memory: entries }))
    },
  },
  {
    name: 'an inline send of one byte more than the queue pair has room for',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run(kit) {
      const { near } = kit.pair({ near: { inlineBytes: 16 } })
      const { inlineBytes } = near.queuePair.capacity
      assert.ok(inlineBytes >= 16)
      const { registration } = kit.buffer(inlineBytes + 1)
      return refusal(() => near.queuePair.post({ operation: 'send', memory: registration, inline: true }))
    },
  },
  {
    name: 'an inline send of all that there is room for',
    expects: 'SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair({ near: { inlineBytes: 16 } })
      const { source, target, arrived } = transfer(kit, near.queuePair.capacity.inlineBytes)
      far.queuePair.postReceive({ memory: target })
      near.queuePair.post({ operation: 'send', memory: source, inline: true })
      const status = await kit.status(far.queue)
      arrived()
      return status
    },
  },
  {
    name: 'more sends than the queue has room for: those before are posted',
    expects: 'ERR_QUEUE_FULL',
    async run(kit) {
      // No request completes meanwhile, since the first waits for a receive.
      const { near, far } = kit.pair({ connect: { rnrRetry: 7, minRnrTimer: 1 } })
      const { sendRequests } = near.queuePair.capacity
      let id = 0
      const post = () => near.queuePair.post({ operation: 'send', id, memory: [] })
      const taken = fill(() => {
        post()
        id += 1
      })
      assert.ok(taken >= sendRequests, `${taken} of ${sendRequests} were taken`)
      const refused = refusal(post)
      const { receiveRequests } = far.queuePair.capacity
      for (let left = taken; left > 0; left -= receiveRequests) {
        far.queuePair.postReceive(Array.from({ length: Math.min(left, receiveRequests) }, () => ({})))
        await kit.completions(far.queue, Math.min(left, receiveRequests))
      }
      const completions = await kit.completions(near.queue, taken)
      assert.ok(completions.every(({ ok }, index) => ok && completions[index]?.id === index))
      return refused
    },
  },
  {
    name: 'more receives than the queue has room for',
    expects: 'ERR_QUEUE_FULL',
    run(kit) {
      const { far } = kit.pair()
      const post = () => far.queuePair.postReceive({})
      const taken = fill(post)
      assert.ok(taken >= far.queuePair.capacity.receiveRequests, `${taken} were taken`)
      return refusal(post)
    },
  },
])
