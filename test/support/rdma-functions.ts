import { PassThrough, Readable } from 'node:stream'
import { parseQueuePair } from '../../src/rdma/connection.js'
import { createReconnectPolicy } from '../../src/rdma/connections/reconnect.js'
import { explainStatus } from '../../src/rdma/contract/completion-status.js'
import { formatGid } from '../../src/rdma/contract/gids.js'
import { explainVendorError } from '../../src/rdma/contract/loopback-vendor-errors.js'
import { openDevice } from '../../src/rdma/devices/open-device.js'
import { exchange } from '../../src/rdma/exchange.js'
import { parseRemoteMemory } from '../../src/rdma/remote-memory.js'
import { option, values, wrongNumbers, wrongObjects, wrongSignals, wrongTypes } from './bad-input.js'
import type { Door } from './entry-points.js'
import { gids, rdmaInputs } from './rdma-inputs.js'
import type { RdmaObjects } from './rdma-objects.js'

/** The functions of RDMA that belong to no object, with wrong inputs. */
export function rdmaFunctionDoors(objects: RdmaObjects): Door[] {
  const { description, fresh, registration } = objects
  const { noObjects, wrongConnect, wrongPeers } = rdmaInputs(objects)
  const stream = new PassThrough()
  const exchanged = { queuePair: fresh }
  return [
    {
      of: { openDevice },
      name: 'openDevice',
      inputs: values([7, '', {}, { loopback: false }, { more: 1 }, ...wrongTypes('string')]),
    },
    {
      of: { createReconnectPolicy },
      name: 'createReconnectPolicy',
      inputs: [
        ...wrongObjects({ attempts: 3 }),
        ...['firstDelay', 'longestDelay', 'attempts', 'breakAfter', 'breakFor'].flatMap((name) =>
          option({}, name, [0, ...wrongNumbers, ...wrongTypes()]),
        ),
      ],
    },
    {
      of: createReconnectPolicy(),
      name: 'mayReconnect',
      inputs: values([undefined, 7, 'OK', ...wrongTypes('string')]),
    },
    { of: createReconnectPolicy(), name: 'run', inputs: values([undefined, 7, ...wrongTypes('function')]) },
    { of: { explainStatus }, name: 'explainStatus', inputs: values([undefined, 7, ...wrongTypes('string')]) },
    {
      of: { explainVendorError },
      name: 'explainVendorError',
      after: [1],
      inputs: values([undefined, 'rxe', 7, ...wrongTypes()]),
    },
    {
      of: { explainVendorError },
      name: 'explainVendorError',
      before: ['verbs'],
      inputs: values([undefined, 2 ** 32, ...wrongNumbers, ...wrongTypes()]),
    },
    { of: { formatGid }, name: 'formatGid', inputs: values([undefined, ...gids]) },
    {
      of: { formatGid },
      name: 'formatGid',
      before: ['::1'],
      inputs: [...wrongObjects({ spelling: 'full' }), ...option({}, 'spelling', ['long', 7, ...wrongTypes()])],
    },
    {
      of: { exchange },
      name: 'exchange',
      after: [exchanged],
      inputs: values([undefined, {}, new Readable(), ...wrongTypes()]),
    },
    {
      of: { exchange },
      name: 'exchange',
      before: [stream],
      inputs: [
        ...wrongObjects(exchanged),
        ...option(exchanged, 'queuePair', [undefined, ...noObjects]),
        ...option(exchanged, 'memory', [[], { '': registration }, { 'a b': registration }, 7, 'inbox']),
        ...option(exchanged, 'memory', [{ inbox: undefined }, { inbox: fresh }, { inbox: description }]),
        ...option(
          exchanged,
          'connect',
          wrongConnect.map(({ given }) => given),
        ),
        ...option(exchanged, 'timeout', [0, 2 ** 31, ...wrongNumbers, ...wrongTypes()]),
        ...option(exchanged, 'signal', wrongSignals()),
      ],
    },
    { of: { parseQueuePair }, name: 'parseQueuePair', inputs: [...values([undefined]), ...wrongPeers] },
    {
      of: { parseRemoteMemory },
      name: 'parseRemoteMemory',
      inputs: [
        ...values([undefined]),
        ...wrongObjects({ ...description }),
        ...option({ ...description }, 'address', [
          undefined,
          '7',
          '0xg',
          '0x10000000000000000',
          7,
          -1n,
          2n ** 64n,
          ...wrongTypes('string', 'bigint'),
        ]),
        ...option({ ...description }, 'length', [undefined, ...wrongNumbers, ...wrongTypes()]),
        ...option({ ...description }, 'rkey', [undefined, 2 ** 32, ...wrongNumbers, ...wrongTypes()]),
      ],
    },
  ]
}
