import assert from 'node:assert/strict'
import { group } from '../case.js'
import { type End, type Kit, refusal } from '../kit.js'
import { PinfoldError, type SendRequest } from '../rdma.js'
import { transfer } from '../transfer.js'

/** The code of the error of a promise, and the status in its values; or the status of its completion. */
async function ended(promise: Promise<{ readonly status: string }>): Promise<string> {
  try {
    return (await promise).status
  } catch (error) {
    if (!(error instanceof PinfoldError)) throw error
    return error.values.status === undefined ? error.code : `${error.code} ${error.values.status}`
  }
}

const send = (id: number): SendRequest => ({ operation: 'send', id, memory: [] })

/** The near end waits for a receive that the far end never posts. */
const waiting = (kit: Kit) => kit.pair({ connect: { rnrRetry: 7, minRnrTimer: 1 } })

export const trackedRequests = group('requests as promises', [
  {
    name: 'a request resolves with its completion, and its id',
    expects: 'SUCCESS',
    async run(kit) {
      const { near } = kit.pair()
      const { source, to, arrived } = transfer(kit, 5000)
      const memory = { memory: source, remote: to.remote }
      const { id, operation, status } = await near.queuePair.request({ operation: 'write', id: 77, ...memory })
      assert.deepEqual([id, operation, near.queue.poll()], [77, 'write', []])
      arrived()
      return status
    },
  },
  {
    name: 'a receive resolves with the message of the peer',
    expects: 'receive 3 bytes, 0x2a',
    async run(kit) {
      const { near, far } = kit.pair()
      const { source, target, arrived } = transfer(kit, 3)
      const received = far.queuePair.receive({ memory: target, id: 5 })
      const request = { operation: 'sendWithImmediate', memory: source, immediate: 42, id: 1 } as const
      const [{ operation, bytes, immediate, id }, sent] = await Promise.all([received, near.queuePair.request(request)])
      arrived()
      assert.deepEqual([id, sent.id], [5, 1])
      return `${operation} ${bytes} bytes, 0x${immediate?.toString(16)}`
    },
  },
  {
    name: 'many are outstanding, among requests whose completions the program polls',
    expects: '1,3,5,7,9; 0,2,4,6,8',
    async run(kit) {
      const { near, far } = kit.pair()
      far.queuePair.postReceive(Array.from({ length: 10 }, () => ({})))
      const promised = []
      for (let id = 0; id < 10; id++) {
        if (id % 2 === 1) promised.push(near.queuePair.request(send(id)))
        else near.queuePair.post(send(id))
      }
      const seen = await Promise.all(promised)
      const polled = await kit.completions(near.queue, 5)
      return [seen, polled].map((list) => list.map(({ id }) => id).join()).join('; ')
    },
  },
  {
    name: 'a program that waits is woken for its own completion, while others are promised',
    expects: '9',
    async run(kit) {
      const { near, far } = kit.pair()
      const own = kit.completion(near.queue)
      const promised = near.queuePair.request(send(1))
      near.queuePair.post(send(9))
      far.queuePair.postReceive([{}, {}])
      assert.equal((await promised).id, 1)
      return `${(await own).id}`
    },
  },
  {
    name: 'a request that fails rejects with its status, and those behind it are flushed',
    expects: 'ERR_REQUEST_FAILED REM_ACCESS_ERR; ERR_REQUEST_FAILED WR_FLUSH_ERR',
    async run(kit) {
      const { near } = kit.pair()
      const { source, to } = transfer(kit, 8, ['localWrite'])
      const request = { operation: 'write', memory: source, remote: to.remote } as const
      const failures = await Promise.all([
        ended(near.queuePair.request(request)),
        ended(near.queuePair.request(request)),
      ])
      return failures.join('; ')
    },
  },
  {
    name: 'a request before the queue pair is connected is refused',
    expects: 'ERR_QUEUE_PAIR_STATE',
    run: (kit) => ended(kit.end().queuePair.request(send(1))),
  },
  {
    name: 'closing the queue pair rejects its requests and receives',
    expects: 'ERR_OBJECT_CLOSED, ERR_OBJECT_CLOSED',
    async run(kit) {
      const { near } = waiting(kit)
      const promised = [ended(near.queuePair.request(send(1))), ended(near.queuePair.receive())]
      near.queuePair.close()
      return (await Promise.all(promised)).join(', ')
    },
  },
  {
    name: 'closing the device rejects a request',
    expects: 'ERR_OBJECT_CLOSED',
    async run(kit) {
      const device = kit.another()
      const domain = device.createDomain()
      const queue = device.createCompletionQueue({ entries: 16 })
      const [near, far] = [domain.createQueuePair({ sendQueue: queue }), domain.createQueuePair({ sendQueue: queue })]
      near.connect(far.describe(), { rnrRetry: 7 })
      far.connect(near.describe())
      const promised = ended(near.request(send(1)))
      device.close({ force: true })
      return promised
    },
  },
  {
    name: 'an abort ends the wait, and the request goes on',
    expects: 'gone; SUCCESS',
    async run(kit) {
      const { near, far } = waiting(kit)
      const controller = new AbortController()
      const promised = near.queuePair.request(send(1), { signal: controller.signal })
      controller.abort('gone')
      const reason = await promised.catch((error) => error)
      far.queuePair.postReceive({})
      return `${reason}; ${await kit.status(far.queue)}`
    },
  },
  {
    name: 'a request that does not complete has stalled, and the device tells it',
    expects: 'ERR_REQUEST_STALLED; REQUEST_STALLED',
    async run(kit) {
      const { near } = waiting(kit)
      const end = await ended(near.queuePair.request(send(1), { stallAfter: 30 }))
      const { type, queuePair } = await kit.event('REQUEST_STALLED')
      assert.equal(queuePair, near.queuePair)
      return `${end}; ${type}`
    },
  },
])

/** A burst of `count` sends without bytes, of which the last alone makes a completion. */
function started({ queuePair }: End, count: number) {
  for (let id = 100; id < 100 + count; id++) queuePair.sends.send([], id, 0)
  return queuePair.sends.start()
}

export const bursts = group('bursts', [
  {
    name: 'a burst is done when its last request has completed',
    expects: '8 succeeded, 0 failed, 0 flushed',
    async run(kit) {
      const { near, far } = kit.pair()
      far.queuePair.postReceive(Array.from({ length: 8 }, () => ({})))
      const burst = started(near, 8)
      const { succeeded, failed, flushed } = await burst.finished
      assert.deepEqual([burst.posted, burst.done, burst.outstanding, burst.failure], [8, 8, 0, undefined])
      return `${succeeded} succeeded, ${failed} failed, ${flushed} flushed`
    },
  },
  {
    name: 'a burst accounts for the requests around the first failure',
    expects: '3 succeeded, 1 failed, 4 flushed; 103 REM_OP_ERR',
    async run(kit) {
      const { near, far } = kit.pair()
      const { source, target } = transfer(kit, 64)
      far.queuePair.postReceive(
        Array.from({ length: 8 }, (_, index) => ({ memory: index === 3 ? target.slice(0, 8) : target })),
      )
      for (let id = 100; id < 108; id++) near.queuePair.sends.send(source, id, 0)
      const burst = near.queuePair.sends.start()
      assert.equal(await burst.finished.catch(({ code }) => code), 'ERR_REQUEST_FAILED')
      const { succeeded, failed, flushed } = burst.outcome
      const { id, status } = burst.failure ?? {}
      return `${succeeded} succeeded, ${failed} failed, ${flushed} flushed; ${id} ${status}`
    },
  },
  {
    name: 'a burst that is cancelled flushes what is outstanding',
    expects: '2 succeeded, 0 failed, 6 flushed; ERR',
    async run(kit) {
      const { near, far } = waiting(kit)
      far.queuePair.postReceive([{}, {}])
      const burst = started(near, 8)
      await kit.completions(far.queue, 2)
      // The acknowledgements of the two may still be under way.
      for (let tries = 0; tries < 100; tries++) await new Promise(setImmediate)
      const { succeeded, failed, flushed } = await burst.cancel()
      assert.equal(succeeded + failed + flushed, 8)
      kit.excuse(succeeded !== 2, 'a flush that overtakes the acknowledgement of a request')
      return `${succeeded} succeeded, ${failed} failed, ${flushed} flushed; ${near.queuePair.query().state}`
    },
  },
  {
    name: 'a burst that the queue has no room for tells how far it came, at every position',
    expects: 'all accounted for',
    async run(kit) {
      for (let before = 0; before < 16; before += 3) {
        const { near } = waiting(kit)
        const batch = near.queuePair.createBatch({ capacity: 4096 })
        for (let id = 0; id < before; id++) near.queuePair.post(send(id))
        for (let id = 0; id < 4096; id++) batch.send([], id, 0)
        const burst = batch.start()
        assert.ok(burst.posted > 0 && burst.posted < 4096, `${burst.posted} were posted`)
        assert.equal(await burst.finished.catch(({ code }) => code), 'ERR_QUEUE_FULL')
        const { succeeded, failed, flushed } = await burst.cancel()
        assert.deepEqual([succeeded, failed, flushed], [0, 0, burst.posted])
        near.queuePair.close()
      }
      return 'all accounted for'
    },
  },
  {
    name: 'a burst that was taken in part, and carried out without a completion, is accounted for when it is cancelled',
    expects: 'all succeeded',
    async run(kit) {
      const { near, far } = kit.pair({ connect: { rnrRetry: 7, minRnrTimer: 1 }, far: { receiveRequests: 512 } })
      const batch = near.queuePair.createBatch({ capacity: 4096 })
      for (let id = 0; id < 4096; id++) batch.send([], id, 0)
      const burst = batch.start()
      assert.ok(burst.posted < 512, `${burst.posted} were posted`)
      far.queuePair.postReceive(Array.from({ length: burst.posted }, () => ({})))
      await kit.completions(far.queue, burst.posted)
      for (let tries = 0; tries < 100; tries++) await new Promise(setImmediate)
      const { succeeded, failed, flushed } = await burst.cancel()
      assert.equal(succeeded + failed + flushed, burst.posted)
      kit.excuse(succeeded !== burst.posted, 'a flush that overtakes the acknowledgement of a request')
      return succeeded === burst.posted ? 'all succeeded' : `${failed} failed, ${flushed} flushed`
    },
  },
  {
    name: 'an empty burst is finished',
    expects: '0',
    run: async (kit) => `${(await kit.pair().near.queuePair.sends.start().finished).succeeded}`,
  },
  {
    name: 'a burst that cannot be posted leaves nothing behind',
    expects: 'ERR_QUEUE_PAIR_STATE',
    run(kit) {
      const { queuePair } = kit.end()
      queuePair.sends.send([], 1)
      return refusal(() => queuePair.sends.start())
    },
  },
  {
    name: 'a series moves each piece to its place, in both directions',
    expects: 'SUCCESS, SUCCESS',
    async run(kit) {
      const { near } = kit.pair()
      const [from, to, back] = [kit.buffer().fill(1), kit.buffer(), kit.buffer()]
      near.queuePair.sends.writeSeries(from.registration, to.remote, { count: 8, step: 512, length: 100 }).post()
      near.queuePair.sends.readSeries(back.registration, to.remote, { count: 8, step: 512, length: 100 }).post()
      const statuses = await kit.statuses(near.queue, 2)
      for (let at = 0; at < 4096; at++) {
        const expected = at % 512 < 100 ? from.bytes[at] : 0
        assert.deepEqual([to.bytes[at], back.bytes[at]], [expected, expected], `byte ${at}`)
      }
      return statuses
    },
  },
  {
    name: 'neighbouring requests join, and the bytes are the same',
    expects: '1 completion, 15 joined',
    async run(kit) {
      const { near } = kit.pair()
      const { source, to, arrived } = transfer(kit, 16 * 300)
      const batch = near.queuePair.createBatch({ coalesce: true })
      for (let piece = 0; piece < 16; piece++) {
        batch.write(source.slice(piece * 300, 300), to.remote.slice(piece * 300, 300), piece, piece === 15 ? 2 : 0)
      }
      assert.equal(batch.staged, 1)
      batch.post()
      const { id } = await kit.completion(near.queue)
      assert.equal(id, 15)
      arrived()
      return `1 completion, ${batch.coalesced} joined`
    },
  },
  {
    name: 'the stream of completions brings all of them, and ends with its signal',
    expects: '500 in order, then gone',
    async run(kit) {
      const { near } = kit.pair()
      const { source, to } = transfer(kit, 64)
      const controller = new AbortController()
      const ids: number[] = []
      const post = (id: number) => near.queuePair.post({ operation: 'write', id, memory: source, remote: to.remote })
      for (let id = 0; id < 10; id++) post(id)
      let reason: unknown
      try {
        for await (const burst of near.queue.completions({ signal: controller.signal, most: 4, spin: 20 })) {
          for (let index = 0; index < burst.count; index++) {
            ids.push(burst.id(index))
            const next = ids.length + 9
            if (next < 500) post(next)
          }
          if (ids.length === 500) controller.abort('gone')
        }
      } catch (error) {
        reason = error
      }
      assert.deepEqual(ids, [...ids.keys()])
      return `${ids.length} in order, then ${reason}`
    },
  },
])
