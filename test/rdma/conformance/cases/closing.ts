import assert from 'node:assert/strict'
import { type CaseOfGroup, group } from '../case.js'
import type { Kit } from '../kit.js'
import { refusal } from '../kit.js'
import type { DeviceObject } from '../rdma.js'
import { assertBytes, transfer } from '../transfer.js'

/** An object, and a child that depends on it. */
const pairs: readonly { readonly name: string; make(kit: Kit): { parent: DeviceObject; child: DeviceObject } }[] = [
  {
    name: 'a domain with a registration',
    make: (kit) => ({ child: kit.buffer().registration, parent: kit.domain }),
  },
  {
    name: 'a domain with a queue pair',
    make: (kit) => ({ child: kit.end().queuePair, parent: kit.domain }),
  },
  {
    name: 'a domain with a shared receive queue',
    make: (kit) => ({ child: kit.domain.createSharedReceiveQueue(), parent: kit.domain }),
  },
  {
    name: 'a domain with a window',
    make: (kit) => ({ child: kit.domain.allocateWindow(), parent: kit.domain }),
  },
  {
    name: 'a domain with an address handle',
    make: (kit) => ({ child: kit.domain.createAddressHandle({ gid: kit.device.bestGid(1).gid }), parent: kit.domain }),
  },
  {
    name: 'a completion queue with a queue pair',
    make(kit) {
      const { queuePair, queue } = kit.end()
      return { child: queuePair, parent: queue }
    },
  },
  {
    name: 'a shared receive queue with a queue pair',
    make(kit) {
      const parent = kit.domain.createSharedReceiveQueue()
      return { child: kit.end({ sharedReceiveQueue: parent }).queuePair, parent }
    },
  },
  {
    name: 'a completion channel with a queue',
    make(kit) {
      const parent = kit.device.createCompletionChannel()
      return { child: kit.queue({ channel: parent }), parent }
    },
  },
  { name: 'the device with a domain', make: (kit) => ({ child: kit.domain, parent: kit.device }) },
]

const orders: CaseOfGroup[] = pairs.flatMap(({ name, make }) => [
  {
    name: `${name} is not closed before it`,
    expects: 'ERR_OBJECT_BUSY',
    run(kit) {
      const { parent, child } = make(kit)
      const refused = refusal(() => parent.close())
      assert.deepEqual([parent.closed, child.closed], [false, false])
      child.close()
      if (parent !== kit.device) parent.close()
      return refused
    },
  },
  {
    name: `${name}: force closes both`,
    expects: 'both',
    run(kit) {
      const { parent, child } = make(kit)
      parent.close({ force: true })
      assert.deepEqual([parent.closed, child.closed], [true, true])
      return 'both'
    },
  },
])

export const closing = group('closing', [
  ...orders,
  {
    name: 'closing twice does nothing',
    expects: 'nothing',
    run(kit) {
      const { queuePair } = kit.end()
      queuePair.close()
      queuePair.close()
      return queuePair.closed ? 'nothing' : 'open'
    },
  },
  {
    name: 'a region that is registered',
    expects: 'ERR_REGION_HELD',
    run(kit) {
      const { region, registration } = kit.buffer()
      const refused = refusal(() => region.close())
      registration.close()
      region.close()
      return refused
    },
  },
  {
    name: 'what is used after it was closed',
    expects: 'ERR_OBJECT_CLOSED',
    run(kit) {
      const { near } = kit.pair()
      const { registration } = kit.buffer()
      const shared = kit.domain.createSharedReceiveQueue()
      for (const object of [near.queuePair, near.queue, registration, shared]) object.close()
      const outcomes = [
        () => near.queuePair.post({ operation: 'send', memory: [] }),
        () => near.queuePair.postReceive({}),
        () => near.queuePair.query(),
        () => near.queuePair.modify({ state: 'ERR' }),
        () => near.queue.poll(),
        () => near.queue.requestNotification(),
        () => registration.describe(),
        () => shared.postReceive({}),
      ].map(refusal)
      return [...new Set(outcomes)].join(', ')
    },
  },
  {
    name: 'a queue pair with sends and receives under way',
    expects: 'closed',
    run(kit) {
      const { near, far } = kit.pair({ connect: { rnrRetry: 7, minRnrTimer: 1 } })
      const { source } = transfer(kit, 5000)
      near.queuePair.postReceive([{}, {}])
      near.queuePair.post([1, 2, 3].map((id) => ({ operation: 'send', id, memory: source })))
      near.queuePair.close()
      far.queuePair.close()
      near.queue.close()
      return 'closed'
    },
  },
  {
    name: 'a registration whose memory is being written: no byte comes after it was closed',
    expects: 'REM_ACCESS_ERR',
    async run(kit) {
      const { near } = kit.pair()
      const { source, to } = transfer(kit, 2 ** 20)
      const { remote } = to
      const request = { operation: 'write' as const, memory: source, remote }
      near.queuePair.post(Array.from({ length: 16 }, (_, id) => ({ ...request, id })))
      to.registration.close()
      const closed = Uint8Array.from(to.bytes)
      // Either all requests were done before the close, or the first request after the close has failed.
      const first = (await kit.completions(near.queue, 16)).find(({ ok }) => !ok)
      assertBytes(to.bytes, closed)
      if (first !== undefined) return first.status
      near.queuePair.post(request)
      return await kit.status(near.queue)
    },
  },
  {
    name: 'closing the device closes all of it',
    expects: 'all',
    run(kit) {
      const { near, far } = kit.pair()
      const { registration, region } = kit.buffer()
      kit.device.close({ force: true })
      for (const { closed } of [near.queuePair, far.queue, near.domain, registration]) assert.ok(closed)
      region.close()
      return 'all'
    },
  },
])
