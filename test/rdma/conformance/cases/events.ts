import assert from 'node:assert/strict'
import { group, Unsupported } from '../case.js'
import type { Kit } from '../kit.js'
import type { DeviceEvent, QueuePair } from '../rdma.js'
import { transfer } from '../transfer.js'

/** Waits for an event that a device may leave out. Its cause must be over before the call. */
async function eventOf(kit: Kit, type: DeviceEvent['type'], queuePair: QueuePair): Promise<string> {
  const event = await kit.eventSoon(type)
  if (event === undefined) throw new Unsupported(`it tells no ${type}`)
  assert.equal(event.subject, 'queuePair')
  assert.equal(event.queuePair, queuePair)
  return event.type
}

export const events = group('events', [
  {
    name: 'the first message arrives before the queue pair was brought to RTS',
    expects: 'COMM_EST',
    async run(kit) {
      const near = kit.end()
      const far = kit.end()
      far.queuePair.initialize()
      far.queuePair.postReceive({})
      const { gid, number, psn, mtu } = near.queuePair.describe()
      far.queuePair.modify({
        state: 'RTR',
        mtu,
        remoteQueuePair: number,
        receivePsn: psn,
        path: { gid, port: 1 },
        maxReadsServed: 4,
        minRnrTimer: 12,
      })
      near.queuePair.connect(far.queuePair.describe())
      near.queuePair.post({ operation: 'send', memory: [] })
      assert.equal(await kit.status(far.queue), 'SUCCESS')
      return await eventOf(kit, 'COMM_EST', far.queuePair)
    },
  },
  {
    name: 'the send queue is drained',
    expects: 'SQ_DRAINED',
    async run(kit) {
      const { near } = kit.pair()
      const { source, to } = transfer(kit, 8)
      near.queuePair.post({ operation: 'write', memory: source, remote: to.remote })
      near.queuePair.modify({ state: 'SQD', drainNotify: true })
      assert.equal(await kit.status(near.queue), 'SUCCESS')
      return await eventOf(kit, 'SQ_DRAINED', near.queuePair)
    },
  },
  {
    name: 'a peer wants memory that it has no right to',
    expects: 'QP_ACCESS_ERR',
    async run(kit) {
      const { near, far } = kit.pair()
      const { source, to } = transfer(kit, 8)
      near.queuePair.post({ operation: 'write', memory: source, remote: to.forged({ rkey: 0 }) })
      await kit.status(near.queue)
      return await eventOf(kit, 'QP_ACCESS_ERR', far.queuePair)
    },
  },
  {
    name: 'a peer wants what the queue pair does not do',
    expects: 'QP_REQ_ERR',
    async run(kit) {
      const { near, far } = kit.pair({ far: { access: [] } })
      const { source, to } = transfer(kit, 8)
      near.queuePair.post({ operation: 'write', memory: source, remote: to.remote })
      await kit.status(near.queue)
      return await eventOf(kit, 'QP_REQ_ERR', far.queuePair)
    },
  },
])
