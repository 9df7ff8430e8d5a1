import assert from 'node:assert/strict'
import { group } from '../case.js'
import type { Kit } from '../kit.js'
import { refusal } from '../kit.js'
import { allocate, bind, reachable, remoteOf, write } from '../window.js'

export const invalidation = group('memory windows that are invalidated', [
  {
    name: 'invalidate of a window of type 1',
    expects: 'LOC_QP_OP_ERR',
    async run(kit) {
      const { far } = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, 1)
      await bind(kit, far, window, memory.registration)
      const refused = refusal(() => far.queuePair.post({ operation: 'invalidate', target: window.rkey }))
      return refused === 'taken' ? await kit.status(far.queue) : refused
    },
  },
  {
    name: 'a window of type 2 invalidated by its owner: its key is stale',
    expects: 'SUCCESS, then REM_ACCESS_ERR',
    async run(kit) {
      const pair = kit.pair()
      const { near: _, far } = pair
      const memory = kit.buffer()
      const window = allocate(kit, 2)
      await bind(kit, far, window, memory.registration)
      const remote = remoteOf(window)
      far.queuePair.post({ operation: 'invalidate', target: window })
      const { operation, status } = await kit.completion(far.queue)
      assert.equal(operation, 'invalidate')
      return `${status}, then ${await write(kit, pair, remote)}`
    },
  },
  {
    name: 'a window of type 2 invalidated by the peer: the receiver learns which, and its key is stale',
    expects: 'SUCCESS, then REM_ACCESS_ERR',
    async run(kit) {
      const pair = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, 2)
      await bind(kit, pair.far, window, memory.registration)
      const remote = remoteOf(window)
      pair.far.queuePair.postReceive({})
      pair.near.queuePair.post({ operation: 'sendWithInvalidate', memory: [], rkey: remote.rkey })
      const { status, invalidated, immediate } = await kit.completion(pair.far.queue)
      assert.equal(immediate, undefined)
      assert.equal(invalidated, remote.rkey)
      assert.equal(await kit.status(pair.near.queue), 'SUCCESS')
      return `${status}, then ${await write(kit, pair, remote)}`
    },
  },
  ...[false, true].map((extended) => ({
    name: `a window that the peer invalidated is bound to nothing here, once ${extended ? 'an extended' : 'the'} queue has told`,
    expects: 'bound, then ERR_INVALID_ARGUMENT',
    async run(kit: Kit) {
      const queue = kit.optional('extended completion queues', () => kit.queue({ extended }))
      const pair = kit.pair({ far: { queue } })
      const memory = kit.buffer()
      const [window, other] = [allocate(kit, 2), allocate(kit, 2)]
      await bind(kit, pair.far, window, memory.registration)
      await bind(kit, pair.far, other, memory.registration)
      pair.far.queuePair.postReceive({})
      pair.near.queuePair.post({ operation: 'sendWithInvalidate', memory: [], rkey: window.rkey })
      await kit.status(pair.near.queue)
      assert.equal(window.describe().rkey, window.rkey)
      assert.equal((await kit.completion(queue)).invalidated, window.rkey)
      assert.equal(window.registration, undefined)
      assert.equal(other.describe().rkey, other.rkey)
      const refused = refusal(() => window.describe())
      assert.equal(await bind(kit, pair.far, window, memory.registration), 'SUCCESS')
      return `bound, then ${refused}`
    },
  })),
  {
    name: 'a window of type 2 invalidated by its owner by key',
    expects: 'SUCCESS, then ERR_INVALID_ARGUMENT',
    async run(kit) {
      const { far } = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, 2)
      await bind(kit, far, window, memory.registration)
      far.queuePair.post({ operation: 'invalidate', target: window.rkey })
      const status = await kit.status(far.queue)
      return `${status}, then ${refusal(() => window.describe())}`
    },
  },
  {
    name: 'a window of type 2 bound anew after an invalidate: another key',
    expects: 'SUCCESS, then REM_ACCESS_ERR',
    async run(kit) {
      const pair = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, 2)
      await bind(kit, pair.far, window, memory.registration)
      const first = remoteOf(window)
      pair.far.queuePair.post({ operation: 'invalidate', target: window })
      assert.equal(await kit.status(pair.far.queue), 'SUCCESS')
      assert.equal(await bind(kit, pair.far, window, memory.registration), 'SUCCESS')
      const second = remoteOf(window)
      assert.notEqual(first.rkey, second.rkey)
      return `${await write(kit, pair, second)}, then ${await write(kit, pair, first)}`
    },
  },
  {
    name: 'a window of type 2 bound, invalidated and bound anew in one batch',
    expects: 'SUCCESS, SUCCESS, SUCCESS, then SUCCESS',
    async run(kit) {
      const pair = kit.pair()
      const { queuePair, queue } = pair.far
      const memory = kit.buffer()
      const window = allocate(kit, 2)
      const opens = { operation: 'bind', window, memory: memory.registration, access: reachable } as const
      queuePair.post([opens, { operation: 'invalidate', target: window }, opens])
      const ended = [await kit.status(queue), await kit.status(queue), await kit.status(queue)]
      return `${ended.join(', ')}, then ${await write(kit, pair, remoteOf(window))}`
    },
  },
  {
    name: 'invalidate of a key that nobody has',
    expects: 'LOC_QP_OP_ERR',
    async run(kit) {
      const { near } = kit.pair()
      near.queuePair.post({ operation: 'invalidate', target: 0x00ff_ff01 })
      return await kit.status(near.queue)
    },
  },
  {
    name: 'send with invalidate of a key that nobody has',
    expects: 'receiver REM_INV_REQ_ERR, sender SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair()
      far.queuePair.postReceive({})
      near.queuePair.post({ operation: 'sendWithInvalidate', memory: [], rkey: 0x00ff_ff01 })
      return `receiver ${await kit.status(far.queue)}, sender ${await kit.status(near.queue)}`
    },
  },
])
