import assert from 'node:assert/strict'
import { everyRight } from '../buffer.js'
import { group } from '../case.js'
import type { Kit } from '../kit.js'
import { refusal } from '../kit.js'
import { parseRemoteMemory } from '../rdma.js'
import { assertBytes } from '../transfer.js'
import { allocate, bind, opensAll, reachable, remoteOf, write } from '../window.js'

const ofTypes = ([1, 2] as const).flatMap((type) => [
  {
    name: `a window of type ${type}: bound, it opens its range and no byte more`,
    expects: 'SUCCESS, then REM_ACCESS_ERR',
    async run(kit: Kit) {
      const pair = kit.pair()
      const memory = kit.buffer(4096, ['localWrite', 'bindWindow'])
      const window = allocate(kit, type)
      assert.equal(await bind(kit, pair.far, window, memory.registration.slice(100, 50)), 'SUCCESS')
      const remote = remoteOf(window)
      assert.equal(remote.length, 50)
      const written = await write(kit, pair, remote, 42)
      const expected = new Uint8Array(4096).fill(0xab, 142, 150)
      assertBytes(memory.bytes, expected)
      const { address, length, rkey, generation } = window.describe()
      const more = parseRemoteMemory({ address, length: length + 1, rkey, generation })
      const beyond = await write(kit, pair, more, 43)
      kit.excuse(beyond === 'SUCCESS', opensAll)
      assertBytes(memory.bytes, expected)
      return `${written}, then ${beyond}`
    },
  },
  {
    name: `a window of type ${type} does not open the byte before its range`,
    expects: 'REM_ACCESS_ERR',
    async run(kit: Kit) {
      const pair = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, type)
      await bind(kit, pair.far, window, memory.registration.slice(100, 50))
      const { address, length, rkey, generation } = window.describe()
      const before = `0x${(BigInt(address) - 1n).toString(16)}`
      const status = await write(kit, pair, parseRemoteMemory({ address: before, length, rkey, generation }))
      kit.excuse(status === 'SUCCESS', opensAll)
      return status
    },
  },
  {
    name: `write through a window of type ${type} that was not bound`,
    expects: 'REM_ACCESS_ERR',
    async run(kit: Kit) {
      const pair = kit.pair()
      const memory = kit.buffer()
      const { rkey } = allocate(kit, type)
      return await write(kit, pair, memory.forged({ rkey }))
    },
  },
  {
    name: `write through a window of type ${type} without remoteWrite`,
    expects: 'REM_ACCESS_ERR',
    async run(kit: Kit) {
      const pair = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, type)
      assert.equal(await bind(kit, pair.far, window, memory.registration, ['remoteRead']), 'SUCCESS')
      return await write(kit, pair, remoteOf(window))
    },
  },
  {
    name: `read through a window of type ${type} without remoteRead`,
    expects: 'REM_ACCESS_ERR',
    async run(kit: Kit) {
      const pair = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, type)
      assert.equal(await bind(kit, pair.far, window, memory.registration, ['remoteWrite']), 'SUCCESS')
      const to = kit.buffer(8)
      pair.near.queuePair.post({ operation: 'read', memory: to.registration, remote: remoteOf(window).slice(0, 8) })
      return await kit.status(pair.near.queue)
    },
  },
  {
    name: `a window of type ${type} on memory without bindWindow`,
    expects: 'MW_BIND_ERR',
    async run(kit: Kit) {
      const { far } = kit.pair()
      const memory = kit.buffer(4096, ['localWrite', 'remoteWrite'])
      const window = allocate(kit, type)
      const refused = refusal(() => far.queuePair.post({ operation: 'bind', window, memory: memory.registration }))
      return refused === 'taken' ? await kit.status(far.queue) : refused
    },
  },
  {
    name: `a window of type ${type} that gives remoteWrite to memory without localWrite`,
    expects: 'MW_BIND_ERR',
    async run(kit: Kit) {
      const { far } = kit.pair()
      const memory = kit.buffer(4096, ['remoteRead', 'bindWindow'])
      const window = allocate(kit, type)
      const refused = refusal(() =>
        far.queuePair.post({ operation: 'bind', window, memory: memory.registration, access: ['remoteWrite'] }),
      )
      return refused === 'taken' ? await kit.status(far.queue) : refused
    },
  },
  {
    name: `a window of type ${type} on memory in another domain`,
    expects: type === 1 ? 'ERR_DEVICE_REFUSED EPERM' : 'MW_BIND_ERR',
    async run(kit: Kit) {
      const { far } = kit.pair()
      const memory = kit.buffer(4096, everyRight, { domain: kit.device.createDomain() })
      const window = allocate(kit, type)
      const refused = refusal(() => far.queuePair.post({ operation: 'bind', window, memory: memory.registration }))
      if (refused !== 'taken') return refused
      const status = await kit.status(far.queue)
      kit.excuse(status === 'SUCCESS', 'windows are bound to memory of other domains, too')
      return status
    },
  },
  {
    name: `a window of type ${type} that was closed`,
    expects: 'REM_ACCESS_ERR',
    async run(kit: Kit) {
      const pair = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, type)
      await bind(kit, pair.far, window, memory.registration)
      const remote = remoteOf(window)
      window.close()
      return await write(kit, pair, remote)
    },
  },
  {
    name: `a registration on which a window of type ${type} is bound`,
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    async run(kit: Kit) {
      const { far } = kit.pair()
      const { registration } = kit.buffer()
      const window = allocate(kit, type)
      await bind(kit, far, window, registration)
      const refused = refusal(() => registration.close())
      assert.equal(registration.closed, false)
      window.close()
      registration.close()
      return refused
    },
  },
])

export const windows = group('memory windows', [
  ...ofTypes,
  {
    name: 'a window of type 1 bound anew: its old key is stale, its new one works',
    expects: 'SUCCESS, then REM_ACCESS_ERR',
    async run(kit) {
      const pair = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, 1)
      await bind(kit, pair.far, window, memory.registration.slice(0, 64))
      const first = remoteOf(window)
      assert.equal(await bind(kit, pair.far, window, memory.registration.slice(1000, 64)), 'SUCCESS')
      const second = remoteOf(window)
      assert.notEqual(first.rkey, second.rkey)
      const written = await write(kit, pair, second)
      assertBytes(memory.bytes, new Uint8Array(4096).fill(0xab, 1000, 1008))
      return `${written}, then ${await write(kit, pair, first)}`
    },
  },
  {
    name: 'a window of type 1 bound to nothing is closed',
    expects: 'REM_ACCESS_ERR',
    async run(kit) {
      const pair = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, 1)
      await bind(kit, pair.far, window, memory.registration)
      const remote = remoteOf(window)
      assert.equal(await bind(kit, pair.far, window, undefined, []), 'SUCCESS')
      assert.equal(
        refusal(() => window.describe()),
        'ERR_INVALID_ARGUMENT',
      )
      memory.registration.slice(0, 8)
      return await write(kit, pair, remote)
    },
  },
  {
    name: 'a window of type 1 that was never bound is closed',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run(kit) {
      const { far } = kit.pair()
      const window = allocate(kit, 1)
      return refusal(() => far.queuePair.post({ operation: 'bind', window }))
    },
  },
  {
    name: 'a window of type 2 bound to nothing',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run(kit) {
      const { far } = kit.pair()
      const window = allocate(kit, 2)
      return refusal(() => far.queuePair.post({ operation: 'bind', window, access: reachable }))
    },
  },
  {
    name: 'a window of type 2 that is zero based: peers count from its start',
    expects: 'SUCCESS, then REM_ACCESS_ERR',
    async run(kit) {
      const pair = kit.pair()
      const memory = kit.buffer(4096, ['localWrite', 'bindWindow'])
      const window = allocate(kit, 2)
      const slice = memory.registration.slice(100, 50)
      assert.equal(await bind(kit, pair.far, window, slice, ['remoteWrite', 'zeroBased']), 'SUCCESS')
      const { address, length, rkey, generation } = window.describe()
      assert.equal(BigInt(address), 0n)
      const written = await write(kit, pair, remoteOf(window), 42)
      const expected = new Uint8Array(4096).fill(0xab, 142, 150)
      assertBytes(memory.bytes, expected)
      const more = parseRemoteMemory({ address, length: length + 1, rkey, generation })
      const beyond = await write(kit, pair, more, 43)
      kit.excuse(beyond === 'SUCCESS', opensAll)
      assertBytes(memory.bytes, expected)
      return `${written}, then ${beyond}`
    },
  },
  {
    name: 'a window of type 2 bound while it is bound',
    expects: 'MW_BIND_ERR',
    async run(kit) {
      const { far } = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, 2)
      await bind(kit, far, window, memory.registration)
      return await bind(kit, far, window, memory.registration)
    },
  },
  {
    name: 'a window of type 2 through another queue pair than the one that bound it',
    expects: 'REM_ACCESS_ERR',
    async run(kit) {
      const owner = kit.pair()
      const other = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, 2)
      await bind(kit, owner.far, window, memory.registration)
      return await write(kit, other, remoteOf(window))
    },
  },
  {
    name: 'a window of type 1 through another queue pair of its domain',
    expects: 'SUCCESS',
    async run(kit) {
      const owner = kit.pair()
      const other = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, 1)
      await bind(kit, owner.far, window, memory.registration)
      return await write(kit, other, remoteOf(window))
    },
  },
  {
    name: 'atomics through a window',
    expects: 'SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair()
      const memory = kit.buffer()
      const window = allocate(kit, 2)
      await bind(kit, far, window, memory.registration.slice(64, 64))
      const result = kit.buffer(8)
      near.queuePair.post({
        operation: 'fetchAndAdd',
        memory: result.registration,
        remote: remoteOf(window).slice(8, 8),
        add: 3n,
      })
      const status = await kit.status(near.queue)
      assert.equal(memory.get(72), 3n)
      return status
    },
  },
])
