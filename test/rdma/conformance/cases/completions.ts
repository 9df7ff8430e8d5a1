import assert from 'node:assert/strict'
import { group } from '../case.js'
import type { End, Kit } from '../kit.js'
import { deadline, refusal } from '../kit.js'
import { type CompletionChannel, type CompletionQueue, Completions } from '../rdma.js'

/** Milliseconds to wait for an event that must not come, after all its possible causes are over. */
const quiet = 20

/** True if the promise is still pending after a while. */
async function staysOpen(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol('open')
  const timer = new Promise((resolve) => setTimeout(() => resolve(open), quiet))
  return (await Promise.race([promise, timer])) === open
}

/** A pair whose far end uses a completion channel of its own. */
function notified(kit: Kit) {
  const channel = kit.device.createCompletionChannel()
  const pair = kit.pair({ far: { queue: kit.queue({ channel }) } })
  return { ...pair, channel }
}

export const completions = group('completion queues', [
  {
    name: 'poll of an empty queue',
    expects: '0',
    run: (kit) => `${kit.queue().poll().length}`,
  },
  {
    name: 'poll brings at most as many as are asked for, oldest first',
    expects: '1; 2,3; 4',
    async run(kit) {
      const { near, far } = kit.pair()
      far.queuePair.postReceive([{}, {}, {}, {}])
      near.queuePair.post([1, 2, 3, 4].map((id) => ({ operation: 'send', id, memory: [] })))
      await kit.completions(far.queue, 4)
      // When a read has filled memory, all requests before it have completed.
      const [from, to] = [kit.buffer(8).fill(1), kit.buffer(8)]
      near.queuePair.post({ operation: 'read', memory: to.registration, remote: from.remote, signaled: false })
      await kit.until(() => to.bytes[0] === from.bytes[0], 'the read is done')
      const seen = [near.queue.poll(1), near.queue.poll(2)]
      const last = await kit.completion(near.queue)
      return [...seen.map((list) => list.map(({ id }) => id).join()), last.id].join('; ')
    },
  },
  {
    name: 'pollInto fills room that is kept',
    expects: '3',
    async run(kit) {
      const { near, far } = kit.pair()
      far.queuePair.postReceive([{ id: 5 }, { id: 6 }, { id: 2 ** 40 + 7 }])
      near.queuePair.post([1, 2, 3].map((immediate) => ({ operation: 'sendWithImmediate', memory: [], immediate })))
      await kit.completions(near.queue, 3)
      const room = new Completions(8)
      assert.equal(far.queue.pollInto(room), room.count)
      assert.deepEqual([room.id(0), room.id(1), room.id(2)], [5, 6, 2 ** 40 + 7])
      assert.deepEqual([room.immediate(0), room.immediate(2)], [1, 3])
      assert.deepEqual([room.status(0), room.statusCode(1), room.bytes(2)], ['SUCCESS', 0, 0])
      assert.equal(room.queuePair(0), far.queuePair.queuePairNumber)
      return `${room.count}`
    },
  },
  {
    name: 'wait wakes when something completes',
    expects: 'SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair()
      const waiting = far.queue.wait()
      far.queuePair.postReceive({})
      near.queuePair.post({ operation: 'send', memory: [] })
      const [first] = await waiting
      return first?.status ?? 'nothing'
    },
  },
  {
    name: 'wait gives up when it is aborted, and the completion is still there',
    expects: 'SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair()
      const control = new AbortController()
      const waiting = far.queue.wait({ signal: control.signal })
      control.abort(new Error('no longer'))
      await assert.rejects(waiting, /no longer/)
      far.queuePair.postReceive({})
      near.queuePair.post({ operation: 'send', memory: [] })
      return await kit.status(far.queue)
    },
  },
  {
    name: 'wait on a queue that is closed meanwhile',
    expects: 'ERR_OBJECT_CLOSED',
    async run(kit) {
      const queue = kit.queue()
      const waiting = queue.wait()
      queue.close()
      return await waiting.then(
        () => 'resolved',
        (error) => error.code,
      )
    },
  },
  {
    name: 'a notification comes once for a request',
    expects: 'once',
    async run(kit) {
      const { near, far, channel } = notified(kit)
      far.queuePair.postReceive([{}, {}])
      far.queue.requestNotification()
      near.queuePair.post({ operation: 'send', memory: [] })
      assert.equal(await channel.next(), far.queue)
      near.queuePair.post({ operation: 'send', memory: [] })
      await kit.completions(near.queue, 2)
      await kit.until(() => far.queue.poll(1).length === 1, 'the first is there')
      await kit.until(() => far.queue.poll(1).length === 1, 'the second is there')
      const control = new AbortController()
      const next = channel.next({ signal: control.signal })
      const isQuiet = await staysOpen(next)
      control.abort()
      await next.catch(() => {})
      return isQuiet ? 'once' : 'twice'
    },
  },
  {
    name: 'no notification for what was there before the request',
    expects: 'none',
    async run(kit) {
      const { near, far, channel } = notified(kit)
      far.queuePair.postReceive({})
      near.queuePair.post({ operation: 'send', memory: [] })
      await kit.completion(near.queue)
      await kit.until(() => far.queue.poll(1).length === 1, 'it is there')
      far.queue.requestNotification()
      const control = new AbortController()
      const next = channel.next({ signal: control.signal })
      const isQuiet = await staysOpen(next)
      control.abort()
      await next.catch(() => {})
      return isQuiet ? 'none' : 'one'
    },
  },
  {
    name: 'solicitedOnly: a plain send makes no notification, a solicited one does',
    expects: 'the solicited one',
    async run(kit) {
      const { near, far, channel } = notified(kit)
      far.queuePair.postReceive([{ id: 1 }, { id: 2 }])
      far.queue.requestNotification({ solicitedOnly: true })
      near.queuePair.post({ operation: 'send', memory: [] })
      await kit.completion(near.queue)
      const next = channel.next()
      const isQuiet = await staysOpen(next)
      near.queuePair.post({ operation: 'send', memory: [], solicited: true })
      assert.equal(await next, far.queue)
      assert.equal(far.queue.poll().length, 2)
      return isQuiet ? 'the solicited one' : 'the plain one'
    },
  },
  {
    name: 'solicitedOnly: a failure makes a notification',
    expects: 'WR_FLUSH_ERR',
    async run(kit) {
      const { far, channel } = notified(kit)
      far.queuePair.postReceive({})
      far.queue.requestNotification({ solicitedOnly: true })
      far.queuePair.modify({ state: 'ERR' })
      assert.equal(await channel.next(), far.queue)
      return await kit.status(far.queue)
    },
  },
  {
    name: 'a channel gathers the notifications of several queues',
    expects: 'both',
    async run(kit) {
      const channel = kit.device.createCompletionChannel()
      const pairs = [1, 2].map(() => kit.pair({ far: { queue: kit.queue({ channel }) } }))
      for (const { far } of pairs) {
        far.queuePair.postReceive({})
        far.queue.requestNotification()
      }
      for (const { near } of pairs) near.queuePair.post({ operation: 'send', memory: [] })
      const seen = new Set([await channel.next(), await channel.next()])
      return pairs.every(({ far }) => seen.has(far.queue)) ? 'both' : 'one'
    },
  },
  {
    name: 'a queue pair with a queue for sends and another for receives',
    expects: 'send, receive',
    async run(kit) {
      const receiveQueue = kit.queue()
      const { queuePair, queue } = kit.end({ receiveQueue })
      queuePair.connect(queuePair.describe())
      queuePair.postReceive({})
      queuePair.post({ operation: 'send', memory: [] })
      const sent = await kit.completion(queue)
      const received = await kit.completion(receiveQueue)
      return `${sent.operation}, ${received.operation}`
    },
  },
  {
    name: 'an extended queue',
    expects: 'SUCCESS',
    async run(kit) {
      const queue = kit.optional('extended completion queues', () => kit.queue({ extended: true }))
      const { near, far } = kit.pair({ far: { queue } })
      const from = kit.buffer(40).fill(1)
      const to = kit.buffer(64)
      far.queuePair.postReceive({ id: 3, memory: to.registration })
      near.queuePair.post({ operation: 'sendWithImmediate', memory: from.registration, immediate: 9 })
      const { id, status, bytes, immediate, operation, timestamp } = await kit.completion(queue)
      assert.deepEqual([id, bytes, immediate, operation, timestamp], [3, 40, 9, 'receive', undefined])
      return status
    },
  },
  {
    name: 'a queue with timestamps: they do not go back',
    expects: 'in order',
    async run(kit) {
      const queue = kit.optional('completion timestamps', () => kit.queue({ timestamps: true }))
      const { near, far } = kit.pair({ far: { queue } })
      far.queuePair.postReceive([{}, {}, {}])
      near.queuePair.post([1, 2, 3].map((id) => ({ operation: 'send', id, memory: [] })))
      const times = (await kit.completions(queue, 3)).map(({ timestamp }) => timestamp ?? -1n)
      assert.ok(
        times.every((time, index) => time > 0n && time >= (times[index - 1] ?? 0n)),
        times.join(),
      )
      return 'in order'
    },
  },
  {
    name: 'events of completions can be joined',
    expects: 'SUCCESS',
    async run(kit) {
      const { near } = kit.pair()
      kit.optional('joining events of completions', () => near.queue.moderate({ count: 4, microseconds: 100 }))
      near.queuePair.post({ operation: 'write', memory: [], remote: kit.buffer().remote.slice(0, 0) })
      return kit.status(near.queue)
    },
  },
  {
    name: 'resize keeps what is there',
    expects: 'SUCCESS',
    async run(kit) {
      const queue = kit.queue({ entries: 4 })
      const { near, far } = kit.pair({ far: { queue } })
      far.queuePair.postReceive({ id: 8 })
      near.queuePair.post({ operation: 'send', memory: [] })
      await kit.completion(near.queue)
      kit.optional('resizing completion queues', () => queue.resize(500))
      assert.ok(queue.entries >= 500)
      const { id, status } = await kit.completion(queue)
      assert.equal(id, 8)
      return status
    },
  },
  {
    name: 'resize to less than what is there',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    async run(kit) {
      const queue = kit.queue({ entries: 16 })
      const { near, far } = kit.pair({ far: { queue } })
      far.queuePair.postReceive([{}, {}, {}, {}])
      near.queuePair.post([1, 2, 3, 4].map((id) => ({ operation: 'send', id, memory: [] })))
      await kit.completions(near.queue, 4)
      const refused = kit.optional('resizing completion queues', () => refusal(() => queue.resize(1)))
      assert.equal(await kit.statuses(queue, 4), 'SUCCESS, SUCCESS, SUCCESS, SUCCESS')
      return refused
    },
  },
  {
    name: 'a queue of more entries than the device has',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run: (kit) => refusal(() => kit.queue({ entries: kit.device.attributes.maxCompletions + 1 })),
  },
  {
    name: 'a queue that overruns is dead, and the device tells so',
    expects: 'CQ_ERR',
    async run(kit) {
      const near = await overrun(kit)
      const { type, completionQueue } = await kit.event('CQ_ERR')
      assert.equal(completionQueue, near.queue)
      return type
    },
  },
  {
    name: 'a queue that has overrun is polled, awaited and armed no more, though completions are left in it',
    expects: 'ERR_QUEUE_OVERRUN',
    async run(kit) {
      const { queue } = await overrun(kit)
      await kit.event('CQ_ERR')
      const refusals = [
        refusal(() => queue.poll()),
        refusal(() => queue.pollInto(new Completions(8))),
        refusal(() => queue.requestNotification()),
        await rejection(queue.wait()),
      ]
      assert.equal(new Set(refusals).size, 1, refusals.join())
      return refusals[0] ?? ''
    },
  },
  {
    name: 'a wait that is under way when its queue overruns',
    expects: 'ERR_QUEUE_OVERRUN',
    async run(kit) {
      const { queue } = await overrun(kit)
      // In one thread, the overrun was not reported yet, since the event loop has not turned.
      const early = refusal(() => {
        while (queue.poll().length > 0);
      })
      return early === 'taken' ? await rejection(untilItEnds(kit, queue)) : early
    },
  },
  {
    name: 'a channel that is waited for gives the queue that overruns, though it was not armed',
    expects: 'ERR_QUEUE_OVERRUN',
    async run(kit) {
      const channel = kit.device.createCompletionChannel()
      const next = channel.next({ signal: AbortSignal.timeout(deadline) })
      const { queue } = await overrun(kit, channel)
      assert.equal(await next, queue)
      return refusal(() => queue.poll())
    },
  },
])

/**
 * Returns the sending end of a pair whose completion queue has overrun, in this turn of the event loop if the device
 * needs no other. The send queue took more requests than it has room for, so the surplus has completed, and no caller has
 * polled.
 */
async function overrun(kit: Kit, channel?: CompletionChannel): Promise<End> {
  const queue = kit.queue({ entries: 4, channel })
  const { near } = kit.pair({ near: { queue, sendRequests: 64 } })
  const from = kit.buffer(8)
  const to = kit.buffer(8)
  const request = { operation: 'write' as const, memory: from.registration, remote: to.remote }
  const enough = near.queuePair.capacity.sendRequests + queue.entries + 2
  const end = performance.now() + deadline
  for (let posted = 0; posted < enough; ) {
    if (refusal(() => near.queuePair.post(request)) === 'taken') posted++
    else await new Promise(setImmediate)
    assert.ok(performance.now() < end, `${posted} of ${enough} requests were taken`)
  }
  return near
}

/** Waits for one completion after the other, until a wait throws. */
async function untilItEnds(kit: Kit, queue: CompletionQueue): Promise<never> {
  for (;;) await kit.completions(queue, 1)
}

async function rejection(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'taken'
  } catch (error) {
    return refusal(() => {
      throw error
    })
  }
}
