import {
  option,
  values,
  type WrongInput,
  wrongLengths,
  wrongNumbers,
  wrongObjects,
  wrongOffsets,
  wrongSignals,
  wrongSizes,
  wrongTypes,
} from './bad-input.js'
import type { Door } from './entry-points.js'
import { connectionDoors } from './rdma-connection-doors.js'
import { rdmaFunctionDoors } from './rdma-functions.js'
import { counts, flags, gids, numbers, rdmaInputs, wrongAccess, wrongIds } from './rdma-inputs.js'
import type { RdmaObjects } from './rdma-objects.js'

/** Every entry point of the RDMA classes, with wrong inputs. */
export function rdmaDoors(objects: RdmaObjects): Door[] {
  const {
    memory,
    region,
    device,
    domain,
    channel,
    queue,
    shared,
    queuePair,
    fresh,
    freshDatagrams,
    datagrams,
    registration,
    slice,
    remote,
    remoteSlice,
    window,
    addressHandle,
    deviceMemory,
    implicit,
    peer,
  } = objects
  const inputs = rdmaInputs(objects)
  const {
    noObjects,
    noMemory,
    noWorkMemory,
    noRemote,
    ports,
    wrongInitialize,
    wrongDescribe,
    wrongAnswers,
    wrongConnect,
    wrongPeers,
    wrongPaths,
    wrongSends,
    wrongReceives,
  } = inputs
  const send = { operation: 'send', memory: slice }
  const datagram = { ok: true, sourceQueuePair: 7, hasHeader: true, sourceLid: 0, serviceLevel: 0, pathBits: 0 }
  const many = Array.from({ length: 9 }, () => slice)
  const queueOptions = { entries: 16 }
  const pairOptions = { sendQueue: queue }
  const wrongGroups = [...wrongObjects({ gid: peer.gid }), ...option({}, 'gid', [undefined, ...gids])]
  const closes = [device, domain, channel, queue, shared, queuePair, registration, window, addressHandle]
  return [
    ...rdmaFunctionDoors(objects),
    ...['register', 'registerSync'].flatMap((name) => [
      { of: memory, name, after: [domain, []], inputs: values(noMemory) },
      { of: memory, name, before: [region], after: [[]], inputs: values([undefined, ...noObjects]) },
      { of: memory, name, before: [region, domain], inputs: values([undefined, ...wrongAccess]) },
      { of: memory, name, before: [region, domain], inputs: values([['remoteWrite'], ['remoteAtomic', 'remoteRead']]) },
      {
        of: memory,
        name,
        before: [region, domain, []],
        inputs: [
          ...wrongObjects({ address: 0n }),
          ...option({}, 'address', [-1n, 2n ** 64n, 7, ...wrongTypes('bigint')]),
        ],
      },
    ]),
    { of: memory, name: 'registrations', inputs: values([7, {}, registration, ...wrongTypes()]) },

    { of: device, name: 'port', inputs: values(ports) },
    { of: device, name: 'bestGid', inputs: values(ports) },
    { of: device, name: 'gid', after: [0], inputs: values(ports) },
    {
      of: device,
      name: 'gid',
      before: [1],
      inputs: [{ given: 255, named: undefined }, ...values([undefined, ...wrongNumbers, ...wrongTypes()])],
    },
    { of: device, name: 'partitionKey', after: [0], inputs: values(ports) },
    {
      of: device,
      name: 'partitionKey',
      before: [1],
      inputs: values([undefined, 2 ** 16, ...wrongNumbers, ...wrongTypes()]),
    },
    {
      of: device,
      name: 'createCompletionQueue',
      inputs: [
        ...values([undefined]),
        ...wrongObjects(queueOptions),
        ...option(queueOptions, 'entries', [undefined, 0, 2 ** 31, ...wrongNumbers, ...wrongTypes()]),
        ...option(queueOptions, 'channel', noObjects),
        ...counts(queueOptions, 'vector'),
        ...flags(queueOptions, 'extended', 'timestamps'),
      ],
    },
    {
      of: device,
      name: 'allocateDeviceMemory',
      inputs: [
        ...values([undefined]),
        ...wrongObjects({ size: 64 }),
        ...option({}, 'size', [undefined, ...wrongSizes]),
        ...option({ size: 64 }, 'alignment', [0, 3, ...wrongNumbers, ...wrongTypes()]),
      ],
    },
    {
      of: device,
      name: 'events',
      inputs: [...wrongObjects({ signal: undefined }), ...option({}, 'signal', wrongSignals())],
    },
    ...connectionDoors(objects),
    ...closes.map((of) => ({ of, name: 'close', inputs: [...wrongObjects({ force: false }), ...flags({}, 'force')] })),

    {
      of: domain,
      name: 'createQueuePair',
      inputs: [
        ...values([undefined]),
        ...wrongObjects(pairOptions),
        ...option({}, 'sendQueue', [undefined, ...noObjects]),
        ...option(pairOptions, 'receiveQueue', noObjects),
        ...option(pairOptions, 'sharedReceiveQueue', noObjects),
        ...option(pairOptions, 'type', ['rc', 'XRC', 7, ...wrongTypes()]),
        ...option(pairOptions, 'sendRequests', [0]),
        ...counts(pairOptions, 'sendRequests', 'receiveRequests', 'sendEntries', 'receiveEntries', 'inlineBytes'),
        ...flags(pairOptions, 'signalAll'),
        ...numbers(pairOptions, 2 ** 24 - 1, 'psn'),
        ...numbers(pairOptions, 2 ** 32 - 1, 'queueKey'),
      ],
    },
    {
      of: domain,
      name: 'createSharedReceiveQueue',
      inputs: [...wrongObjects({ requests: 4 }), ...counts({}, 'requests', 'entries', 'limit')],
    },
    {
      of: domain,
      name: 'allocateWindow',
      inputs: [...wrongObjects({ type: 2 }), ...option({}, 'type', [0, 3, '2', ...wrongTypes()])],
    },
    { of: domain, name: 'createAddressHandle', inputs: [...values([undefined]), ...wrongPaths] },
    {
      of: domain,
      name: 'answerHandle',
      after: [new Uint8Array(40)],
      inputs: [...values([undefined]), ...wrongAnswers],
    },
    {
      of: domain,
      name: 'answerHandle',
      before: [datagram],
      inputs: values([undefined, new Uint8Array(39), new DataView(new ArrayBuffer(40)), region, 7, ...wrongTypes()]),
    },
    { of: domain, name: 'answerHandle', before: [datagram], inputs: [{ given: new Uint8Array(40), named: undefined }] },
    {
      of: domain,
      name: 'answerHandle',
      before: [{ ...datagram, hasHeader: false }, new Uint8Array(40)],
      inputs: [...wrongObjects({ port: 1 }), ...counts({}, 'port')],
    },
    { of: domain, name: 'registerDeviceMemory', after: [[]], inputs: values([undefined, ...noObjects]) },
    { of: domain, name: 'registerDeviceMemory', before: [deviceMemory], inputs: values([undefined, ...wrongAccess]) },
    {
      of: domain,
      name: 'registerDeviceMemory',
      before: [deviceMemory, []],
      inputs: [
        ...wrongObjects({ offset: 0 }),
        ...option({}, 'offset', [4096, ...wrongNumbers, ...wrongTypes()]),
        ...option({}, 'length', [0, 4097, ...wrongNumbers, ...wrongTypes()]),
      ],
    },
    {
      of: domain,
      name: 'registerDmabuf',
      after: [[]],
      inputs: [
        ...values([undefined]),
        ...wrongObjects({ descriptor: 0, length: 1 }),
        ...option({ length: 1 }, 'descriptor', [undefined, ...wrongNumbers, ...wrongTypes()]),
        ...option({ descriptor: 0 }, 'length', [undefined, 0, ...wrongNumbers, ...wrongTypes()]),
        ...option({ descriptor: 0, length: 1 }, 'offset', [...wrongNumbers, ...wrongTypes()]),
        ...option({ descriptor: 0, length: 1 }, 'address', [-1n, 2n ** 64n, 7, ...wrongTypes('bigint')]),
      ],
    },
    { of: domain, name: 'registerImplicit', inputs: values([undefined, ['remoteRead'], ...wrongAccess]) },
    {
      of: domain,
      name: 'advise',
      after: [[registration]],
      inputs: values([undefined, 'fetch', '__proto__', 7, ...wrongTypes()]),
    },
    {
      of: domain,
      name: 'advise',
      before: ['prefetch'],
      inputs: values([undefined, [], [{}], [region], registration, 7, ...wrongTypes()]),
    },
    {
      of: domain,
      name: 'advise',
      before: ['prefetch', [registration]],
      inputs: [...wrongObjects({ flush: true }), ...flags({}, 'flush')],
    },

    { of: registration, name: 'slice', after: [1], inputs: values(wrongOffsets(registration.length)) },
    { of: registration, name: 'slice', before: [0], inputs: values(wrongLengths(registration.length)) },
    {
      of: registration,
      name: 'reregister',
      inputs: [
        ...values([undefined]),
        ...wrongObjects({ access: [] }),
        ...option({}, 'domain', noObjects),
        ...option({}, 'memory', noMemory.slice(1)),
        ...option({}, 'access', wrongAccess),
      ],
    },
    { of: slice, name: 'slice', after: [1], inputs: values(wrongOffsets(slice.length)) },
    { of: slice, name: 'slice', before: [0], inputs: values(wrongLengths(slice.length)) },
    { of: remote, name: 'slice', after: [1], inputs: values(wrongOffsets(remote.length)) },
    { of: remote, name: 'slice', before: [0], inputs: values(wrongLengths(remote.length)) },
    { of: remoteSlice, name: 'slice', after: [1], inputs: values(wrongOffsets(remoteSlice.length)) },
    { of: remoteSlice, name: 'slice', before: [0], inputs: values(wrongLengths(remoteSlice.length)) },
    { of: implicit, name: 'cover', inputs: values(noMemory) },
    ...['write', 'read'].flatMap((name) => [
      {
        of: deviceMemory,
        name,
        after: [new Uint8Array(8)],
        inputs: [{ given: 4089, named: 8 }, ...values([undefined, ...wrongNumbers, ...wrongTypes()])],
      },
      {
        of: deviceMemory,
        name,
        before: [0],
        inputs: values([undefined, 7, [1], new ArrayBuffer(8), new Uint8Array(4097), ...wrongTypes()]),
      },
    ]),

    {
      of: channel,
      name: 'next',
      inputs: [...wrongObjects({ signal: undefined }), ...option({}, 'signal', wrongSignals())],
    },
    { of: queue, name: 'poll', inputs: values([0, 2 ** 16 + 1, ...wrongNumbers, ...wrongTypes()]) },
    {
      of: queue,
      name: 'pollInto',
      inputs: values([undefined, {}, [], new Uint32Array(64), { words: [], capacity: 1 }, ...wrongTypes()]),
    },
    {
      of: queue,
      name: 'wait',
      inputs: [
        ...wrongObjects({ most: 4 }),
        ...option({}, 'signal', wrongSignals()),
        ...option({}, 'most', [0, 2 ** 16 + 1, ...wrongNumbers, ...wrongTypes()]),
      ],
    },
    {
      of: queue,
      name: 'requestNotification',
      inputs: [...wrongObjects({ solicitedOnly: true }), ...flags({}, 'solicitedOnly')],
    },
    { of: queue, name: 'resize', inputs: values([undefined, 0, 2 ** 31, ...wrongNumbers, ...wrongTypes()]) },
    { of: shared, name: 'postReceive', inputs: [...values([undefined]), ...wrongReceives] },
    {
      of: shared,
      name: 'modify',
      inputs: [...values([undefined]), ...wrongObjects({ limit: 1 }), ...counts({}, 'requests', 'limit')],
    },

    {
      of: queuePair,
      name: 'modify',
      inputs: [
        ...values([undefined]),
        ...wrongObjects({ minRnrTimer: 1 }),
        ...option({}, 'state', ['rts', 'UNKNOWN', 7, ...wrongTypes()]),
        ...option({}, 'currentState', ['rts', 'UNKNOWN', 7, ...wrongTypes()]),
        ...flags({}, 'drainNotify'),
        ...option({}, 'access', wrongAccess),
        ...wrongPaths.map(({ given, named }) => ({ given: { path: given }, named })),
        ...option({}, 'mtu', [0, 1000, ...wrongNumbers, ...wrongTypes()]),
        ...numbers({}, 31, 'timeout', 'minRnrTimer'),
        ...numbers({}, 7, 'retryCount', 'rnrRetry'),
        ...numbers({}, 2 ** 24 - 1, 'receivePsn', 'sendPsn', 'remoteQueuePair'),
        ...numbers({}, 255, 'maxReadsStarted', 'maxReadsServed'),
        ...numbers({}, 2 ** 32 - 1, 'queueKey'),
      ],
    },
    { of: fresh, name: 'initialize', inputs: wrongInitialize },
    { of: fresh, name: 'describe', inputs: wrongDescribe },
    { of: freshDatagrams, name: 'activate', inputs: wrongInitialize },
    { of: fresh, name: 'connect', inputs: [...values([undefined]), ...wrongPeers] },
    { of: fresh, name: 'connect', before: [peer], inputs: wrongConnect },
    {
      of: queuePair,
      name: 'post',
      inputs: [
        ...values([undefined]),
        ...wrongSends,
        ...wrongSends.map((input) => listed(input, { operation: 'send', memory: [] })),
        ...option(send, 'memory', [many]),
      ],
    },
    {
      of: queuePair,
      name: 'postReceive',
      inputs: [
        ...values([undefined]),
        ...wrongReceives,
        ...wrongReceives.map((input) => listed(input, {})),
        ...option({}, 'memory', [many]),
      ],
    },
    { of: datagrams, name: 'attachMulticast', inputs: [...values([undefined]), ...wrongGroups] },
    { of: datagrams, name: 'detachMulticast', inputs: [...values([undefined]), ...wrongGroups] },

    { of: queuePair.sends, name: 'add', inputs: [...values([undefined]), ...wrongSends] },
    { of: queuePair.sends, name: 'send', inputs: values([...noWorkMemory, many]) },
    { of: queuePair.sends, name: 'send', before: [slice], inputs: values(wrongIds) },
    {
      of: queuePair.sends,
      name: 'send',
      before: [slice, 0],
      inputs: values([2 ** 32, ...wrongNumbers, ...wrongTypes()]),
    },
    ...['write', 'read'].flatMap((name) => [
      { of: queuePair.sends, name, after: [remote], inputs: values([...noWorkMemory, many]) },
      { of: queuePair.sends, name, before: [slice], inputs: values(noRemote) },
      { of: queuePair.sends, name, before: [slice, remoteSlice], inputs: values(wrongIds) },
      {
        of: queuePair.sends,
        name,
        before: [slice, remoteSlice, 0],
        inputs: values([2 ** 32, ...wrongNumbers, ...wrongTypes()]),
      },
    ]),
    {
      of: queuePair,
      name: 'request',
      inputs: [...values([undefined]), ...wrongSends, ...option({ operation: 'send' }, 'memory', [many])],
    },
    { of: queuePair, name: 'request', before: [{ operation: 'send', memory: [] }], inputs: wrongTracking },
    { of: queuePair, name: 'receive', inputs: [...wrongReceives, ...option({}, 'memory', [many])] },
    { of: queuePair, name: 'receive', before: [{}], inputs: wrongTracking },
    {
      of: queuePair,
      name: 'createBatch',
      inputs: [
        ...wrongObjects({ capacity: 4, coalesce: true }),
        ...option({}, 'capacity', [0, 2 ** 16 + 1, ...wrongNumbers, ...wrongTypes()]),
        ...flags({}, 'coalesce'),
      ],
    },
    {
      of: queuePair.sends,
      name: 'start',
      inputs: [...wrongObjects({ stallAfter: 'never' }), ...option({}, 'stallAfter', wrongStalls)],
    },
    {
      of: queue,
      name: 'completions',
      inputs: [
        ...wrongObjects({ most: 4, spin: 0 }),
        ...option({}, 'signal', wrongSignals()),
        ...option({}, 'most', [0, 2 ** 16 + 1, ...wrongNumbers, ...wrongTypes()]),
        ...option({}, 'spin', [1_000_001, ...wrongNumbers, ...wrongTypes()]),
      ],
    },
    {
      of: queue,
      name: 'moderate',
      inputs: [
        ...values([undefined]),
        ...wrongObjects({ count: 4, microseconds: 10 }),
        ...numbers({ microseconds: 10 }, 2 ** 16 - 1, 'count'),
        ...numbers({ count: 4 }, 2 ** 16 - 1, 'microseconds'),
      ],
    },
    ...['writeSeries', 'readSeries'].flatMap((name) => [
      { of: queuePair.sends, name, after: [remote, series], inputs: values(noMemory) },
      { of: queuePair.sends, name, before: [slice], after: [series], inputs: values(noRemote) },
      { of: queuePair.sends, name, before: [slice, remoteSlice], inputs: wrongSeries },
    ]),
    { of: queuePair.receives, name: 'add', inputs: [...values([undefined]), ...wrongReceives] },
    { of: queuePair.receives, name: 'receive', inputs: values([...noWorkMemory, many]) },
    { of: queuePair.receives, name: 'receive', before: [slice], inputs: values(wrongIds) },
  ]
}

/** A series that fits into the slices of the inputs, which have 64 bytes. */
const series = { count: 4, step: 16 }
const wrongSeries = [
  ...values([undefined]),
  ...wrongObjects(series),
  ...option(series, 'count', [0, ...wrongNumbers, ...wrongTypes()]),
  ...option(series, 'step', [2 ** 32, ...wrongNumbers, ...wrongTypes()]),
  ...option(series, 'length', [0, 2 ** 31 + 1, ...wrongNumbers, ...wrongTypes()]),
  ...option(series, 'id', wrongIds),
  ...option(series, 'signaled', ['first', true, 1, ...wrongTypes('string')]),
]

const wrongStalls = [0, 2 ** 31, 'always', ...wrongNumbers, ...wrongTypes('string')]
const wrongTracking = [
  ...wrongObjects({ stallAfter: 100 }),
  ...option({}, 'stallAfter', wrongStalls),
  ...option({}, 'signal', wrongSignals()),
]

/** The same input in a list, behind a right request. Nothing of the list is posted. */
function listed({ given, named }: WrongInput, right: object): WrongInput {
  return { given: [right, given], named }
}
