import { option, values, type WrongInput, wrongNumbers, wrongObjects, wrongSignals, wrongTypes } from './bad-input.js'
import type { Door } from './entry-points.js'
import { numbers, wrongAccess } from './rdma-inputs.js'
import type { RdmaObjects } from './rdma-objects.js'

const bytes = [7, [1], new ArrayBuffer(8), new Uint8Array(256), ...wrongTypes()]
const names = ['', 'x'.repeat(25), 'ü'.repeat(13), 7, ...wrongTypes('string')]

function wait(right: object): WrongInput[] {
  return [
    ...option(right, 'signal', wrongSignals()),
    ...option(right, 'timeout', [0, 2 ** 31, ...wrongNumbers, ...wrongTypes()]),
  ]
}

function place(right: object): WrongInput[] {
  return [
    ...option(right, 'port', [65_536, ...wrongNumbers, ...wrongTypes()]),
    ...option(right, 'address', ['', 'x'.repeat(256), 7, ...wrongTypes('string')]),
    ...option(right, 'name', ['', 'x'.repeat(256), 'a name beside an address', 7, ...wrongTypes('string')]),
  ]
}

function identity(right: object): WrongInput[] {
  const own = { name: 'a', generation: 1n }
  return option(right, 'identity', [
    ...wrongTypes(),
    {},
    ...names.map((name) => ({ ...own, name })),
    ...names.map((peer) => ({ ...own, peer })),
    ...[1, -1n, 2n ** 64n, '1'].map((generation) => ({ ...own, generation })),
  ])
}

/** Wrong options of a queue pair that is to be connected. */
export function wrongTransports(right: object, others: readonly unknown[]): WrongInput[] {
  return [
    ...option(right, 'queuePair', [undefined, 7, {}, ...others, ...wrongTypes()]),
    ...option(right, 'access', wrongAccess),
    ...option(right, 'mtu', [0, 1000, ...wrongNumbers, ...wrongTypes()]),
    ...numbers(right, 31, 'ackTimeout', 'minRnrTimer'),
    ...numbers(right, 7, 'retryCount', 'rnrRetry'),
    ...numbers(right, 255, 'maxReadsStarted', 'maxReadsServed'),
    ...option(right, 'privateData', bytes),
    ...wait(right),
  ]
}

/** The entry points of connections by address, with wrong inputs. */
export function connectionDoors({ device, fresh, datagrams, domain, queue }: RdmaObjects): Door[] {
  const at = { address: '127.0.0.1', port: 9 }
  const connect = { ...at, queuePair: fresh }
  const listen = { address: '127.0.0.1', port: 0 }
  const announce = { ...listen, queuePair: datagrams }
  const find = { ...at, domain }
  const join = { group: '239.192.77.1', queuePair: datagrams }
  return [
    {
      of: device,
      name: 'connect',
      inputs: [
        ...values([undefined]),
        ...wrongObjects(connect),
        ...place(connect),
        ...option(connect, 'port', [undefined, 0]),
        ...option(connect, 'address', [undefined]),
        ...option(connect, 'source', ['', 7, ...wrongTypes('string')]),
        ...option(connect, 'privateData', [new Uint8Array(57)]),
        ...wrongTransports(connect, [queue, datagrams]),
        ...identity(connect),
      ],
    },
    {
      of: device,
      name: 'listen',
      inputs: [
        ...values([undefined]),
        ...wrongObjects(listen),
        ...place(listen),
        ...option(listen, 'address', ['no address']),
        ...option(listen, 'port', [undefined]),
        ...option(listen, 'backlog', [0, 65_536, ...wrongNumbers, ...wrongTypes()]),
        ...option(listen, 'signal', wrongSignals()),
        ...identity(listen),
      ],
    },
    {
      of: device,
      name: 'announce',
      inputs: [
        ...values([undefined]),
        ...wrongObjects(announce),
        ...place(announce),
        ...option(announce, 'queuePair', [undefined, 7, fresh, queue, datagrams, ...wrongTypes()]),
        ...option(announce, 'privateData', [...bytes, new Uint8Array(137)]),
        ...option(announce, 'signal', wrongSignals()),
      ],
    },
    {
      of: device,
      name: 'findPeer',
      inputs: [
        ...values([undefined]),
        ...wrongObjects(find),
        ...place(find),
        ...option(find, 'domain', [undefined, 7, queue, ...wrongTypes()]),
        ...option(find, 'source', ['', 'x', 7, ...wrongTypes('string')]),
        ...option(find, 'privateData', [...bytes, new Uint8Array(181)]),
        ...wait(find),
      ],
    },
    {
      of: device,
      name: 'joinMulticast',
      inputs: [
        ...values([undefined]),
        ...wrongObjects(join),
        ...option(join, 'group', [undefined, '', 'x', 7, ...wrongTypes('string')]),
        ...option(join, 'queuePair', [undefined, 7, fresh, queue, datagrams, ...wrongTypes()]),
        ...option(join, 'source', ['', 'x', 7, ...wrongTypes('string')]),
        ...wait(join),
      ],
    },
  ]
}
