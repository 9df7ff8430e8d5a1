import { parseRemoteMemory } from '../../src/rdma/remote-memory.js'
import {
  hugeBigint,
  longText,
  option,
  sparse,
  values,
  type WrongInput,
  wrongNumbers,
  wrongObjects,
  wrongTypes,
} from './bad-input.js'
import type { RdmaObjects } from './rdma-objects.js'

export const flags = (right: object, ...names: readonly string[]) =>
  names.flatMap((name) => option(right, name, [0, 1, ...wrongTypes('boolean')]))
export const counts = (right: object, ...names: readonly string[]) =>
  names.flatMap((name) => option(right, name, [...wrongNumbers, 2 ** 31, ...wrongTypes()]))
export const numbers = (right: object, most: number, ...names: readonly string[]) =>
  names.flatMap((name) => option(right, name, [...wrongNumbers, most + 1, ...wrongTypes()]))
export const gids = [
  'fe80::g',
  'fe80::1%eth0',
  '10.77.0.1',
  '',
  'x'.repeat(39),
  'f'.repeat(31),
  longText,
  7,
  ...wrongTypes('string'),
]
export const wrongAccess = [
  'localWrite',
  ['read'],
  ['flushGlobal'],
  ['__proto__'],
  [7],
  {},
  { length: 1, 0: 'localWrite' },
  sparse,
  Array.from({ length: 2 ** 16 }, () => 'localWrite'),
  7,
  ...wrongTypes(),
]
export const wrongIds = [...wrongNumbers, ...wrongTypes()]

/** Wrong inputs for work requests, connections and registrations. */
export function rdmaInputs({ device, region, registration, window, addressHandle, queuePair }: RdmaObjects) {
  const slice = registration.slice(16, 64)
  const description = registration.describe()
  const remote = parseRemoteMemory(description)
  const remoteSlice = remote.slice(0, 64)
  const peer = queuePair.describe()
  /** Objects of another kind, an empty imitation, and values that are not objects. */
  const noObjects = [7, {}, device, Object.create(null), ...wrongTypes()]
  const noMemory = [undefined, {}, 7, region.bytes, new ArrayBuffer(8), remote, ...wrongTypes()]
  const noWorkMemory = [...noMemory, sparse, [undefined], [{}], [registration, null], [remoteSlice]]
  const noRemote = [undefined, 7, {}, registration, description, ...wrongTypes()]
  const ports = [0, device.attributes.ports + 1, undefined, ...wrongNumbers, ...wrongTypes()]

  const wrongInitialize = [
    ...wrongObjects({ port: 1 }),
    ...counts({}, 'port'),
    ...numbers({}, 2 ** 16 - 1, 'partitionKeyIndex'),
    ...option({}, 'access', wrongAccess),
  ]
  const wrongDescribe = [
    ...wrongObjects({ port: 1 }),
    ...counts({}, 'port'),
    ...numbers({}, 255, 'gidIndex', 'maxReads'),
  ]
  const wrongConnect = [
    ...wrongInitialize,
    ...option({}, 'mtu', [0, 1000, ...wrongNumbers, ...wrongTypes()]),
    ...numbers({}, 31, 'timeout', 'minRnrTimer'),
    ...numbers({}, 7, 'retryCount', 'rnrRetry'),
    ...numbers({}, 255, 'gidIndex', 'trafficClass', 'hopLimit', 'maxReadsStarted', 'maxReadsServed'),
    ...numbers({}, 15, 'serviceLevel'),
  ]
  const wrongPeers = [
    ...wrongObjects({ ...peer }),
    ...option({ ...peer }, 'pinfold', ['remote memory', 7, ...wrongTypes()]),
    ...numbers({ ...peer }, 2 ** 24 - 1, 'number', 'psn'),
    ...numbers({ ...peer }, 255, 'maxReads'),
    ...numbers({ ...peer }, 2 ** 16 - 1, 'lid'),
    ...numbers({ ...peer }, 2 ** 32 - 1, 'queueKey'),
    ...option({ ...peer }, 'gid', [undefined, ...gids]),
    ...option({ ...peer }, 'type', [undefined, 'rc', 7, ...wrongTypes()]),
    ...option({ ...peer }, 'mtu', [undefined, 1000, ...wrongNumbers, ...wrongTypes()]),
  ]
  const datagram = { ok: true, sourceQueuePair: 7, hasHeader: true, sourceLid: 0, serviceLevel: 0, pathBits: 0 }
  const wrongAnswers = [
    ...values([7, ...wrongTypes()]),
    ...option(datagram, 'ok', [undefined, false, 1]),
    ...option(datagram, 'hasHeader', [undefined, 1, ...wrongTypes('boolean')]),
    ...option(datagram, 'sourceQueuePair', [undefined, 0, 2 ** 24, ...wrongNumbers, ...wrongTypes()]),
    ...numbers(datagram, 2 ** 16 - 1, 'sourceLid'),
    ...numbers(datagram, 15, 'serviceLevel'),
    ...numbers(datagram, 127, 'pathBits'),
  ]
  const pathOptions = { gid: peer.gid }
  const wrongPaths = [
    ...wrongObjects(pathOptions),
    ...option(pathOptions, 'gid', gids),
    ...numbers(pathOptions, 255, 'gidIndex', 'hopLimit', 'trafficClass'),
    ...numbers(pathOptions, 2 ** 20 - 1, 'flowLabel'),
    ...numbers(pathOptions, 2 ** 16 - 1, 'lid'),
    ...counts(pathOptions, 'port'),
  ]
  const send = { operation: 'send', memory: slice }
  const write = { operation: 'write', memory: slice, remote: remoteSlice }
  const swap = { operation: 'compareAndSwap', memory: slice, remote: remoteSlice, compare: 0n, swap: 1n }
  const noWords = [-1n, 2n ** 64n, hugeBigint, 7, ...wrongTypes('bigint')]
  const wrongSends: readonly WrongInput[] = [
    ...wrongObjects(send),
    ...option(send, 'operation', [undefined, 'sned', '__proto__', longText, 7, ...wrongTypes()]),
    ...option(send, 'memory', noWorkMemory),
    ...option(send, 'id', wrongIds),
    ...flags(send, 'signaled', 'fence', 'inline', 'solicited'),
    ...option(send, 'to', [
      7,
      {},
      { addressHandle },
      { addressHandle, queuePair: 2 ** 24, queueKey: 1 },
      ...wrongTypes(),
    ]),
    ...option(write, 'remote', noRemote),
    ...option({ ...write, operation: 'writeWithImmediate' }, 'immediate', [undefined, 2 ** 32, ...wrongIds]),
    ...option({ ...send, operation: 'sendWithInvalidate' }, 'rkey', [undefined, 2 ** 32, ...wrongIds]),
    ...option(swap, 'compare', [undefined, ...noWords]),
    ...option(swap, 'swap', [undefined, ...noWords]),
    ...option({ ...write, operation: 'fetchAndAdd' }, 'add', [undefined, ...noWords]),
    ...option({ operation: 'invalidate' }, 'target', [undefined, 2 ** 32, ...wrongNumbers, {}, ...wrongTypes()]),
    ...option({ operation: 'bind' }, 'window', [undefined, ...noObjects]),
    ...option({ operation: 'bind', window }, 'memory', [7, {}, [slice], remote, ...wrongTypes()]),
    ...option({ operation: 'bind', window, memory: slice }, 'access', wrongAccess),
  ]
  const wrongReceives: readonly WrongInput[] = [
    ...wrongObjects({ memory: slice }),
    ...option({}, 'id', wrongIds),
    ...option({}, 'memory', noWorkMemory.slice(1)),
  ]
  return {
    noObjects,
    noMemory,
    noWorkMemory,
    noRemote,
    ports,
    wrongInitialize,
    wrongDescribe,
    wrongConnect,
    wrongPeers,
    wrongAnswers,
    wrongPaths,
    wrongSends,
    wrongReceives,
  }
}
