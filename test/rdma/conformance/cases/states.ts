import assert from 'node:assert/strict'
import { group } from '../case.js'
import type { End, Kit } from '../kit.js'
import { refusal } from '../kit.js'
import type { QueuePair, QueuePairAttributes, QueuePairState } from '../rdma.js'
import { transfer } from '../transfer.js'

type Type = 'RC' | 'UC' | 'UD'
type Settable = Exclude<QueuePairState, 'UNKNOWN'>

const states: readonly Settable[] = ['RESET', 'INIT', 'RTR', 'RTS', 'SQD', 'SQE', 'ERR']
const types: readonly Type[] = ['RC', 'UC', 'UD']

/** The attributes that a change to this state needs on the normal way, and `state` alone for all other changes. */
function attributesFor(type: Type, from: Settable, to: Settable, peer: QueuePair): QueuePairAttributes {
  if (to === 'INIT') {
    const rights = type === 'UD' ? { queueKey: 1 } : { access: [] }
    return { state: to, port: 1, partitionKeyIndex: 0, ...rights }
  }
  if (to === 'RTR' && from === 'INIT') {
    if (type === 'UD') return { state: to }
    const { gid, number, psn, mtu } = peer.describe()
    const connection = { mtu, remoteQueuePair: number, receivePsn: psn, path: { gid, port: 1 } }
    return { state: to, ...connection, ...(type === 'RC' ? { maxReadsServed: 4, minRnrTimer: 12 } : {}) }
  }
  if (to === 'RTS' && from === 'RTR') {
    const timing = { timeout: 14, retryCount: 7, rnrRetry: 7, maxReadsStarted: 4 }
    return { state: to, sendPsn: 5, ...(type === 'RC' ? timing : {}) }
  }
  return { state: to }
}

/** The way from RESET to each state. A program cannot bring a queue pair to SQE. */
const ways: Readonly<Record<Exclude<Settable, 'SQE'>, readonly Settable[]>> = {
  RESET: [],
  INIT: ['INIT'],
  RTR: ['INIT', 'RTR'],
  RTS: ['INIT', 'RTR', 'RTS'],
  SQD: ['INIT', 'RTR', 'RTS', 'SQD'],
  ERR: ['INIT', 'ERR'],
}

/** Brings a queue pair to a state, step by step. */
function endIn(kit: Kit, type: Type, state: keyof typeof ways): End {
  const end = kit.end({ type })
  let from: Settable = 'RESET'
  for (const to of ways[state]) {
    end.queuePair.modify(attributesFor(type, from, to, end.queuePair))
    from = to
  }
  assert.equal(end.queuePair.query().state, state)
  return end
}

/** The states to which `from` may be changed, by ibv_modify_qp(3) and the table of the kernel's ib_core. */
const allowed: Readonly<Record<keyof typeof ways, readonly Settable[]>> = {
  RESET: ['RESET', 'INIT'],
  INIT: ['RESET', 'INIT', 'RTR', 'ERR'],
  RTR: ['RESET', 'RTS', 'ERR'],
  RTS: ['RESET', 'RTS', 'SQD', 'ERR'],
  SQD: ['RESET', 'RTS', 'SQD', 'ERR'],
  ERR: ['RESET', 'ERR'],
}

const keysOf = <Key extends string>(record: Readonly<Record<Key, unknown>>): Key[] => {
  const keys: Key[] = []
  for (const key in record) keys.push(key)
  return keys
}

const transitions = types.flatMap((type) =>
  keysOf(ways).map((from) => ({
    name: `${type}: where ${from} may be changed to`,
    expects: allowed[from].join(', '),
    run(kit: Kit) {
      const taken = states.filter((to) => {
        const { queuePair } = endIn(kit, type, from)
        const refused = refusal(() => queuePair.modify(attributesFor(type, from, to, queuePair)))
        const { state } = queuePair.query()
        assert.equal(state, refused === 'taken' ? to : from)
        assert.ok(refused === 'taken' || refused === 'ERR_DEVICE_REFUSED EINVAL', `${from} to ${to}: ${refused}`)
        return refused === 'taken'
      })
      return taken.join(', ')
    },
  })),
)

/** Steps that are tried without each of their attributes. */
const steps: readonly { readonly type: Type; readonly from: 'RESET' | 'INIT' | 'RTR'; readonly to: Settable }[] = [
  { type: 'RC', from: 'RESET', to: 'INIT' },
  { type: 'UD', from: 'RESET', to: 'INIT' },
  { type: 'RC', from: 'INIT', to: 'RTR' },
  { type: 'UC', from: 'INIT', to: 'RTR' },
  { type: 'RC', from: 'RTR', to: 'RTS' },
  { type: 'UD', from: 'RTR', to: 'RTS' },
]

const incomplete = steps.map(({ type, from, to }) => ({
  name: `${type}: ${from} to ${to} without one of its attributes`,
  expects: 'ERR_DEVICE_REFUSED EINVAL',
  run(kit: Kit) {
    const { queuePair } = endIn(kit, type, from)
    const whole = attributesFor(type, from, to, queuePair)
    const needed = Object.keys(whole).filter((key) => key !== 'state')
    const outcomes = new Set(
      needed.map((key) => {
        const { [key]: _, ...rest }: Record<string, unknown> = { ...whole }
        const refused = refusal(() => queuePair.modify(rest))
        assert.equal(queuePair.query().state, from, `${key} is not needed`)
        return refused
      }),
    )
    queuePair.modify(whole)
    return [...outcomes].join(', ')
  },
}))

/** Steps, each with an attribute that it does not take. */
const excessive: readonly { type: Type; from: 'RESET' | 'INIT' | 'RTR'; to: Settable; more: QueuePairAttributes }[] = [
  { type: 'RC', from: 'RESET', to: 'INIT', more: { timeout: 14 } },
  { type: 'RC', from: 'RESET', to: 'INIT', more: { queueKey: 1 } },
  { type: 'UC', from: 'INIT', to: 'RTR', more: { minRnrTimer: 1 } },
  { type: 'UD', from: 'INIT', to: 'RTR', more: { mtu: 1024 } },
  { type: 'RC', from: 'RTR', to: 'RTS', more: { mtu: 1024 } },
]

const surplus = excessive.map(({ type, from, to, more }) => ({
  name: `${type}: ${from} to ${to} with ${Object.keys(more).join()}, too`,
  expects: 'ERR_DEVICE_REFUSED EINVAL',
  run(kit: Kit) {
    const { queuePair } = endIn(kit, type, from)
    const refused = refusal(() => queuePair.modify({ ...attributesFor(type, from, to, queuePair), ...more }))
    assert.equal(queuePair.query().state, refused === 'taken' ? to : from)
    return refused
  },
}))

const posting = (['RESET', 'INIT', 'RTR'] as const).map((state) => ({
  name: `send in ${state}`,
  expects: 'ERR_QUEUE_PAIR_STATE',
  run(kit: Kit) {
    const { queuePair } = endIn(kit, 'RC', state)
    return refusal(() => queuePair.post({ operation: 'send', memory: [] }))
  },
}))

export const queuePairStates = group('queue pair states', [
  ...transitions,
  ...incomplete,
  ...surplus,
  ...posting,
  {
    name: 'receive in RESET',
    expects: 'ERR_QUEUE_PAIR_STATE',
    run: (kit) => refusal(() => kit.end().queuePair.postReceive({})),
  },
  {
    name: 'receives that are posted in INIT are used later',
    expects: 'SUCCESS',
    async run(kit) {
      const near = kit.end()
      const far = kit.end()
      far.queuePair.initialize()
      far.queuePair.postReceive({ id: 3 })
      near.queuePair.connect(far.queuePair.describe())
      far.queuePair.connect(near.queuePair.describe())
      near.queuePair.post({ operation: 'send', memory: [] })
      const { id, status } = await kit.completion(far.queue)
      assert.equal(id, 3)
      return status
    },
  },
  {
    name: 'the access that connect() gives after initialize() counts',
    expects: 'SUCCESS',
    async run(kit) {
      const near = kit.end()
      const far = kit.end()
      far.queuePair.initialize()
      far.queuePair.connect(near.queuePair.describe(), { access: ['remoteWrite'] })
      near.queuePair.connect(far.queuePair.describe())
      const { source, to, arrived } = transfer(kit, 8)
      near.queuePair.post({ operation: 'write', memory: source, remote: to.remote })
      const status = await kit.status(near.queue)
      arrived()
      return status
    },
  },
  {
    name: 'what connect() is not given stays as initialize() has set it',
    expects: 'port 1, index 0, remoteRead',
    run(kit) {
      const { queuePair } = kit.end()
      queuePair.initialize({ port: 1, partitionKeyIndex: 0, access: ['remoteRead'] })
      queuePair.connect(kit.end().queuePair.describe())
      const { port, path, partitionKeyIndex, access } = queuePair.query()
      assert.equal(path.port, port)
      return `port ${port}, index ${partitionKeyIndex}, ${access}`
    },
  },
  ...(['RC', 'UD'] as const).flatMap((type) =>
    [{ port: 255 }, { partitionKeyIndex: 65_535 }].map((wrong) => ({
      name: `${type}: ${Object.keys(wrong)} that there is not, after initialize()`,
      expects: 'ERR_DEVICE_REFUSED EINVAL, RESET',
      run(kit: Kit) {
        const { queuePair } = kit.end({ type })
        queuePair.initialize()
        const peer = kit.end({ type }).queuePair.describe()
        const refused = refusal(() => (type === 'UD' ? queuePair.activate(wrong) : queuePair.connect(peer, wrong)))
        const { state, partitionKeyIndex } = queuePair.query()
        kit.excuse(refused === 'taken' && partitionKeyIndex === wrong.partitionKeyIndex, 'any index is taken')
        return `${refused}, ${state}`
      },
    })),
  ),
  {
    name: 'initialize() and connect() of a queue pair that is connected',
    expects: 'ERR_DEVICE_REFUSED EINVAL, RTS',
    run(kit) {
      const { near, far } = kit.pair()
      const { queuePair } = near
      const outcomes = [
        () => queuePair.initialize({ access: [] }),
        () => queuePair.connect(far.queuePair.describe(), { access: [] }),
      ].map(refusal)
      return `${[...new Set(outcomes)].join(', ')}, ${queuePair.query().state}`
    },
  },
  {
    name: 'access of a queue pair for datagrams',
    expects: 'ERR_INVALID_ARGUMENT',
    run(kit) {
      const { queuePair } = kit.end({ type: 'UD' })
      const outcomes = [
        () => queuePair.initialize({ access: ['remoteRead'] }),
        () => queuePair.activate({ access: ['remoteRead'] }),
      ].map(refusal)
      assert.equal(queuePair.query().state, 'RESET')
      return [...new Set(outcomes)].join(', ')
    },
  },
  {
    name: 'a port that there is not',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run(kit) {
      const { queuePair } = kit.end()
      return refusal(() => queuePair.initialize({ port: kit.device.attributes.ports + 1 }))
    },
  },
  {
    name: 'currentState that is not its state',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run(kit) {
      const { near } = kit.pair()
      return refusal(() => near.queuePair.modify({ state: 'RTS', currentState: 'RTR' }))
    },
  },
  {
    name: 'query tells what was set',
    expects: 'as set',
    run(kit) {
      const { near, far } = kit.pair({ connect: { timeout: 12, retryCount: 3, rnrRetry: 5, minRnrTimer: 9 } })
      const seen = near.queuePair.query()
      assert.deepEqual([seen.state, seen.timeout, seen.retryCount, seen.rnrRetry], ['RTS', 12, 3, 5])
      assert.deepEqual([seen.minRnrTimer, seen.port, seen.mtu], [9, 1, kit.device.port(1).activeMtu])
      assert.equal(seen.remoteQueuePair, far.queuePair.queuePairNumber)
      assert.deepEqual(seen.access, ['remoteWrite', 'remoteRead', 'remoteAtomic'])
      assert.equal(seen.path.gid, kit.device.bestGid(1).gid)
      return 'as set'
    },
  },
  {
    name: 'the rights of a queue pair that are taken back count at once',
    expects: 'SUCCESS, then REM_INV_REQ_ERR',
    async run(kit) {
      const { near, far } = kit.pair()
      const { source, to } = transfer(kit, 8)
      const request = { operation: 'write' as const, memory: source, remote: to.remote }
      near.queuePair.post(request)
      const first = await kit.status(near.queue)
      far.queuePair.modify({ access: ['remoteRead'] })
      near.queuePair.post(request)
      return `${first}, then ${await kit.status(near.queue)}`
    },
  },
  {
    // Soft-RoCE reads its send queue again only after another post, so the case posts a second request.
    name: 'in SQD what is posted waits; back in RTS it goes on',
    expects: 'SUCCESS, SUCCESS',
    async run(kit) {
      const { near } = kit.pair()
      const { source, to, arrived } = transfer(kit, 8)
      near.queuePair.modify({ state: 'SQD' })
      near.queuePair.post({ operation: 'write', memory: source, remote: to.remote })
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.deepEqual(near.queue.poll(), [])
      arrived(0)
      near.queuePair.modify({ state: 'RTS' })
      near.queuePair.post({ operation: 'write', memory: source, remote: to.remote })
      const statuses = await kit.statuses(near.queue, 2)
      arrived()
      return statuses
    },
  },
  {
    name: 'after RESET a queue pair is as new: what was posted is gone, and it can be connected again',
    expects: 'SUCCESS',
    async run(kit) {
      const pair = kit.pair()
      const { near, far } = pair
      far.queuePair.postReceive([{ id: 1 }, { id: 2 }])
      near.queuePair.modify({ state: 'RESET' })
      far.queuePair.modify({ state: 'RESET' })
      assert.deepEqual(far.queue.poll(), [])
      kit.connect(pair)
      far.queuePair.postReceive({ id: 3 })
      near.queuePair.post({ operation: 'send', memory: [] })
      const { id, status } = await kit.completion(far.queue)
      assert.equal(id, 3)
      return status
    },
  },
  {
    name: 'a queue pair is connected again after an error',
    expects: 'REM_ACCESS_ERR, then SUCCESS',
    async run(kit) {
      const pair = kit.pair()
      const { near, far } = pair
      const { source, to, arrived } = transfer(kit, 8)
      near.queuePair.post({ operation: 'write', memory: source, remote: to.forged({ rkey: 0 }) })
      const first = await kit.status(near.queue)
      await kit.until(() => far.queuePair.query().state === 'ERR', 'the far end is in ERR')
      near.queuePair.modify({ state: 'RESET' })
      far.queuePair.modify({ state: 'RESET' })
      kit.connect(pair)
      near.queuePair.post({ operation: 'write', memory: source, remote: to.remote })
      const second = await kit.status(near.queue)
      arrived()
      return `${first}, then ${second}`
    },
  },
])
