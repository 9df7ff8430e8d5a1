import assert from 'node:assert/strict'
import { group } from '../case.js'
import { refusal } from '../kit.js'

export const deviceItself = group('the device', [
  {
    name: 'tells what it can do',
    expects: 'consistent',
    run({ device }) {
      const attributes = device.query()
      assert.deepEqual(attributes, device.attributes)
      assert.ok(attributes.ports >= 1)
      assert.ok(attributes.maxRequests > 0 && attributes.maxEntries > 0 && attributes.maxCompletions > 0)
      assert.ok(attributes.maxReadsServed > 0 && attributes.maxReadsStarted > 0)
      assert.match(attributes.nodeGuid, /^[0-9a-f]{4}(:[0-9a-f]{4}){3}$/)
      return 'consistent'
    },
  },
  {
    name: 'its port is up',
    expects: 'ACTIVE',
    run({ device }) {
      const { state, activeMtu, maxMtu, port } = device.port(1)
      assert.ok(activeMtu >= 256 && activeMtu <= maxMtu)
      assert.equal(port, 1)
      assert.equal(device.ports.length, device.attributes.ports)
      return state
    },
  },
  {
    name: 'its GID table has an entry for the port',
    expects: 'found',
    run({ device }) {
      const { reason, ...best } = device.bestGid(1)
      assert.match(best.gid, /^[0-9a-f]{4}(:[0-9a-f]{4}){7}$/)
      assert.deepEqual(device.gid(1, best.index), best)
      assert.match(reason, /RoCE v2/)
      return 'found'
    },
  },
  {
    name: 'its default partition',
    expects: '0xffff',
    run: ({ device }) => `0x${device.partitionKey(1, 0).toString(16)}`,
  },
  {
    name: 'a partition key beyond its table',
    expects: 'ERR_DEVICE_REFUSED ENOENT',
    run: ({ device }) => refusal(() => device.partitionKey(1, device.port(1).partitionKeys)),
  },
  {
    name: 'a port that there is not',
    expects: 'ERR_OUT_OF_RANGE',
    run: ({ device }) => refusal(() => device.port(device.attributes.ports + 1)),
  },
  {
    name: 'whether memory survives a fork',
    expects: 'told',
    run({ device }) {
      assert.match(device.forkStatus, /^(disabled|enabled|unneeded|unknown)$/)
      return 'told'
    },
  },
  {
    name: 'a queue pair of more requests than the device has',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run: (kit) => refusal(() => kit.end({ sendRequests: kit.device.attributes.maxRequests + 1 })),
  },
  {
    name: 'a queue pair of more entries than the device has',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run: (kit) => refusal(() => kit.end({ sendEntries: kit.device.attributes.maxEntries + 1 })),
  },
  {
    name: 'a shared receive queue of more requests than the device has',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run: ({ domain, device }) =>
      refusal(() => domain.createSharedReceiveQueue({ requests: device.attributes.maxSharedRequests + 1 })),
  },
])
