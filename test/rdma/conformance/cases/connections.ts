import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { group } from '../case.js'
import type { Kit } from '../kit.js'
import { refusal } from '../kit.js'
import { formatGid, parseQueuePair, parseRemoteMemory } from '../rdma.js'
import { assertBytes, transfer } from '../transfer.js'

/** An address for documentation, which no host uses (RFC 5737). */
const nowhere = '::ffff:203.0.113.1'

/** The value as a peer in another process gets it. */
const throughJson = <Value>(value: Value): Value => JSON.parse(JSON.stringify(value))

/** Mistakes in a description that comes from outside. */
const wrongPeers: readonly (readonly [string, object])[] = [
  ['no description', {}],
  ['a number beyond 24 bits', { number: 2 ** 24 }],
  ['a sequence number below 0', { psn: -1 }],
  ['a GID that is none', { gid: 'fe80::g' }],
  ['an MTU that is none', { mtu: 1000 }],
  ['another type', { type: 'XRC' }],
  ['a word more', { more: 1 }],
  ['reads that are no number', { maxReads: Number.NaN }],
]

const wrongMemories: readonly (readonly [string, object])[] = [
  ['no description', {}],
  ['an address that is a number', { address: 4096 }],
  ['an address beyond 64 bits', { address: '0x1ffffffffffffffff' }],
  ['a length below 0', { length: -1 }],
  ['a key beyond 32 bits', { rkey: 2 ** 32 }],
  ['a word more', { more: 1 }],
]

export const connections = group('connections', [
  {
    name: 'descriptions through JSON connect',
    expects: 'SUCCESS',
    async run(kit) {
      const near = kit.end()
      const far = kit.end()
      near.queuePair.connect(throughJson(far.queuePair.describe()))
      far.queuePair.connect(parseQueuePair(throughJson(near.queuePair.describe())), { access: ['remoteWrite'] })
      assert.deepEqual([near.queuePair.state, far.queuePair.query().state], ['RTS', 'RTS'])
      const { source, to, arrived } = transfer(kit, 33)
      const remote = parseRemoteMemory(throughJson(to.registration.describe()))
      near.queuePair.post({ operation: 'write', memory: source, remote })
      const status = await kit.status(near.queue)
      arrived()
      return status
    },
  },
  {
    name: 'a peer and its memory that leave out what they may, as another program would',
    expects: 'SUCCESS',
    async run(kit) {
      const near = kit.end()
      const far = kit.end()
      const { type, number, psn, gid, mtu } = far.queuePair.describe()
      near.queuePair.connect({ type, number, psn, gid, mtu })
      far.queuePair.connect(near.queuePair.describe(), { access: ['remoteWrite'] })
      assert.equal(near.queuePair.query().maxReadsStarted, 1)
      const { source, to, arrived } = transfer(kit, 33)
      const { address, length, rkey } = to.registration
      near.queuePair.post({ operation: 'write', memory: source, remote: parseRemoteMemory({ address, length, rkey }) })
      const status = await kit.status(near.queue)
      arrived()
      return status
    },
  },
  {
    name: 'the GID of a peer in each of its spellings',
    expects: 'one GID',
    run(kit) {
      const { gid, ...peer } = kit.end().queuePair.describe()
      for (const spelling of ['short', 'full', 'digits'] as const) {
        const spelled = formatGid(gid, { spelling })
        for (const one of [spelled, spelled.toUpperCase()]) {
          const { queuePair } = kit.end()
          queuePair.connect({ ...peer, gid: one })
          assert.equal(queuePair.query().path.gid, gid)
          kit.domain.createAddressHandle({ gid: one }).close()
        }
      }
      return 'one GID'
    },
  },
  {
    // The numbers are powers of two, since Soft-RoCE rounds up to them.
    name: 'reads and atomics under way are limited on both sides',
    expects: '2 started, 4 served; the peer is told 4',
    run(kit) {
      const near = kit.end()
      const far = kit.end()
      const options = { maxReadsStarted: 2, maxReadsServed: 4 }
      near.queuePair.connect(far.queuePair.describe(), options)
      const { maxReadsStarted, maxReadsServed } = near.queuePair.query()
      far.queuePair.connect(near.queuePair.describe({ maxReads: 4 }))
      const told = far.queuePair.query().maxReadsStarted
      return `${maxReadsStarted} started, ${maxReadsServed} served; the peer is told ${told}`
    },
  },
  ...(['RC', 'UC'] as const).map((type) => ({
    name: `${type}: connect to a peer that is not on our network`,
    expects: 'ERR_DEVICE_REFUSED ETIMEDOUT, RESET',
    run(kit: Kit) {
      const { queuePair } = kit.end({ type })
      const refused = refusal(() => queuePair.connect({ ...kit.end({ type }).queuePair.describe(), gid: nowhere }))
      return `${refused}, ${queuePair.query().state}`
    },
  })),
  {
    name: 'an address handle to a peer that is not on our network',
    expects: 'ERR_DEVICE_REFUSED ETIMEDOUT',
    run: (kit) => refusal(() => kit.domain.createAddressHandle({ gid: nowhere })),
  },
  ...wrongPeers.map(([what, wrong]) => ({
    name: `connect to ${what}`,
    expects: 'ERR_INVALID_ARGUMENT, and the state stays RESET',
    run(kit: Kit) {
      const { queuePair } = kit.end()
      const right = kit.end().queuePair.describe()
      const peer = what === 'no description' ? throughJson(JSON.parse('{}')) : { ...throughJson(right), ...wrong }
      const refused = refusal(() => queuePair.connect(peer))
      return `${refused}, and the state stays ${queuePair.query().state}`
    },
  })),
  ...wrongMemories.map(([what, wrong]) => ({
    name: `memory of a peer with ${what}`,
    expects: 'ERR_INVALID_ARGUMENT',
    run(kit: Kit) {
      const right = kit.buffer(64).registration.describe()
      const memory = what === 'no description' ? JSON.parse('{}') : { ...throughJson(right), ...wrong }
      return refusal(() => parseRemoteMemory(memory))
    },
  })),
  {
    name: 'connect to a queue pair of another type',
    expects: 'ERR_INVALID_ARGUMENT',
    run(kit) {
      const { queuePair } = kit.end()
      return refusal(() => queuePair.connect(kit.end({ type: 'UC' }).queuePair.describe()))
    },
  },
  {
    name: 'connect twice',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run(kit) {
      const { near, far } = kit.pair()
      const refused = refusal(() => near.queuePair.connect(far.queuePair.describe()))
      assert.equal(near.queuePair.query().state, 'RTS')
      return refused
    },
  },
  {
    name: 'what the device refuses leaves the queue pair in RESET',
    expects: 'ERR_DEVICE_REFUSED EINVAL, RESET',
    run(kit) {
      const { queuePair } = kit.end()
      const peer = { ...throughJson(kit.end().queuePair.describe()), mtu: 4096 }
      const { maxMtu } = kit.device.port(1)
      // An MTU above the port's limit. If there is none, a port that does not exist.
      const options = maxMtu < 4096 ? { mtu: 4096 } : { port: kit.device.attributes.ports + 1 }
      const refused = refusal(() => queuePair.connect(peer, options))
      const { state } = queuePair.query()
      return `${refused === 'ERR_OUT_OF_RANGE' ? 'ERR_DEVICE_REFUSED EINVAL' : refused}, ${state}`
    },
  },
  {
    name: 'what the device refuses leaves one that was initialized in RESET, too',
    expects: 'ERR_DEVICE_REFUSED ENODATA, RESET',
    run(kit) {
      const { queuePair } = kit.end()
      queuePair.initialize()
      const refused = refusal(() => queuePair.connect(kit.end().queuePair.describe(), { gidIndex: 255 }))
      return `${refused}, ${queuePair.query().state}`
    },
  },
  {
    name: 'a smaller MTU carries the same bytes',
    expects: 'SUCCESS',
    async run(kit) {
      const { near } = kit.pair({ connect: { mtu: 256 } })
      const { source, to, arrived } = transfer(kit, 5000)
      near.queuePair.post({ operation: 'write', memory: source, remote: to.remote })
      const status = await kit.status(near.queue)
      arrived()
      return status
    },
  },
  {
    name: 'sequence numbers that wrap round',
    expects: 'SUCCESS',
    async run(kit) {
      const { near } = kit.pair({ near: { psn: 2 ** 24 - 2 }, far: { psn: 2 ** 24 - 1 } })
      const { source, to, arrived } = transfer(kit, 50_000)
      near.queuePair.post({ operation: 'write', memory: source, remote: to.remote })
      const status = await kit.status(near.queue)
      arrived()
      return status
    },
  },
  {
    name: 'queue pairs of a device that was opened twice',
    expects: 'SUCCESS',
    async run(kit) {
      const elsewhere = kit.another()
      const queue = elsewhere.createCompletionQueue({ entries: 128 })
      const domain = elsewhere.createDomain()
      const far = kit.end()
      const near = { domain, queue, queuePair: domain.createQueuePair({ sendQueue: queue }) }
      kit.connect({ near, far })
      const to = kit.buffer(64)
      const from = kit.memory.registerSync(kit.buffer(64).fill(5).region.slice(0, 64), domain, [])
      near.queuePair.post({ operation: 'write', memory: from, remote: to.remote })
      const status = await kit.status(queue)
      assertBytes(
        to.bytes,
        new Uint8Array(64).map((_, index) => (index * 31 + 5) & 0xff),
      )
      from.close()
      return status
    },
  },
  {
    name: 'objects of a device that was opened twice do not mix',
    expects: 'ERR_DOMAIN_MISMATCH',
    run(kit) {
      const elsewhere = kit.another()
      const domain = elsewhere.createDomain()
      const queue = elsewhere.createCompletionQueue({ entries: 128 })
      const { registration, region } = kit.buffer(64)
      const { near } = kit.pair()
      const foreign = kit.memory.registerSync(region, domain, ['localWrite', 'bindWindow'])
      const window = domain.allocateWindow()
      const outcomes = [
        () => near.queuePair.post({ operation: 'send', memory: foreign }),
        () => near.queuePair.postReceive({ memory: foreign }),
        () => near.queuePair.post({ operation: 'bind', window, memory: registration }),
        () => kit.domain.createQueuePair({ sendQueue: queue }),
        () => kit.domain.createQueuePair({ sendQueue: near.queue, receiveQueue: queue }),
        () => kit.device.createCompletionQueue({ entries: 4, channel: queue.channel }),
      ].map(refusal)
      return [...new Set(outcomes)].join(', ')
    },
  },
  {
    name: 'neither inspection shows a key',
    expects: 'hidden',
    run(kit) {
      const { registration } = kit.buffer(64)
      const { rkey } = registration
      const { queuePair } = kit.end({ type: 'UD', queueKey: 0x1234_5678 })
      const shown = inspect([registration, registration.describe(), kit.memory, queuePair, queuePair.describe()])
      assert.doesNotMatch(shown, new RegExp(`\\b(${rkey}|0x${rkey.toString(16)}|${0x1234_5678})\\b`))
      return 'hidden'
    },
  },
])
