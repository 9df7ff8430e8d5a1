import { afterAll, describe, expect, test } from 'vitest'
import { openDevice, openRegistrySync } from '../../src/index.js'
import type { DeviceObject } from '../../src/rdma/device-object.js'
import * as testing from '../../src/testing/index.js'
import { option, values, wrongNumbers, wrongObjects, wrongSizes, wrongTypes } from '../support/bad-input.js'
import { complaint, type Door } from '../support/entry-points.js'
import { methodsOf, world } from '../support/process-state.js'

const memory = openRegistrySync()
const device = openDevice({ loopback: true })
const pair = testing.connectedPair({ device })
const storm = testing.weather(device)
const faults = testing.injectFaults({ device })
const check = testing.leakCheck()

afterAll(() => {
  check.end()
  faults.end()
  storm.end()
  pair.close()
  device.close()
  memory.close()
})

const noDevices = [7, {}, pair, pair.domain, Object.create(device), new Proxy(device, {}), ...wrongTypes()]
const counts = [...wrongNumbers, 2 ** 31, ...wrongTypes()]
const turns = [...wrongNumbers, 1_000_001, { least: 1 }, { least: 3, most: 2 }, ...wrongTypes()]
const parts = [-0.1, 1.1, Number.NaN, Infinity, ...wrongTypes()]
const after = (name: string) => [
  ...option({}, name, [7, {}, { after: -1 }, { after: 0, wrong: 1 }, ...wrongTypes()]),
  ...option({}, name, [{ after: 0.5 }, { after: '0' }, { after: undefined }]),
]

const doors: readonly Door[] = [
  {
    of: testing,
    name: 'connectedPair',
    inputs: [
      ...wrongObjects({ type: 'RC' }),
      ...option({}, 'device', [7, '', {}, { loopback: false }, pair, ...wrongTypes('string')]),
      ...option({}, 'type', ['UD', 'rc', 7, ...wrongTypes('string')]),
      ...option({}, 'size', wrongSizes),
      ...option({}, 'pages', ['huge', '3MiB', 7, ...wrongTypes('string')]),
      ...option({}, 'entries', [0, ...counts]),
      ...option({}, 'queuePair', [7, ...wrongTypes('object')]),
      ...option({}, 'queuePair', [{ sendRequests: -1 }, { wrong: 1 }, { inlineBytes: '7' }]),
      ...option({}, 'connect', [7, ...wrongTypes('object')]),
      ...option({}, 'connect', [{ timeout: 32 }, { wrong: 1 }, { access: ['read'] }]),
    ],
  },
  {
    of: testing,
    name: 'leakCheck',
    inputs: [
      ...wrongObjects({ scope: 'thread' }),
      ...option({}, 'scope', ['all', 7, ...wrongTypes('string')]),
      ...option({}, 'within', counts),
    ],
  },
  { of: testing, name: 'expectNoLeaks', inputs: values([undefined, 7, {}, ...wrongTypes('function')]) },
  {
    of: testing,
    name: 'expectNoLeaks',
    before: [() => 7],
    inputs: [...wrongObjects({ scope: 'thread' }), ...option({}, 'scope', ['all', 7])],
  },
  {
    of: testing,
    name: 'injectFaults',
    inputs: [
      ...wrongObjects({ noOp: false }),
      ...option({}, 'device', noDevices),
      ...option({}, 'noOp', [0, 1, ...wrongTypes('boolean')]),
    ],
  },
  { of: testing, name: 'weather', inputs: values([undefined, ...noDevices]) },
  {
    of: testing,
    name: 'weather',
    before: [device],
    inputs: [
      ...wrongObjects({ seed: 1 }),
      ...option({}, 'seed', [...wrongNumbers, 2 ** 32, ...wrongTypes()]),
      ...option({}, 'delay', turns),
      ...option({}, 'slowRegistration', turns),
      ...option({}, 'reorder', [0, 1, ...wrongTypes('boolean')]),
      ...option({}, 'loss', parts),
      ...option({}, 'notReady', parts),
      ...option({}, 'keys', counts),
      ...['error', 'stall', 'overrun', 'portDown', 'removal'].flatMap(after),
      ...option({}, 'error', [{ after: 1 }, { after: 1, status: 'SUCCESS' }, { after: 1, status: 12 }]),
      ...option({}, 'portDown', [{ after: 1, turns: -1 }]),
    ],
  },
  { of: storm, name: 'portDown', inputs: values([0, ...wrongNumbers, 1_000_001, ...wrongTypes()]) },
  {
    of: faults,
    name: 'failNext',
    inputs: values([undefined, 'ibv_nothing', '__proto__', 7, ...wrongTypes()]),
  },
  {
    of: faults,
    name: 'failNext',
    before: ['ibv_reg_mr'],
    inputs: [
      ...wrongObjects({ nth: 1 }),
      ...option({}, 'nth', [0, ...counts]),
      ...option({}, 'errno', [0, 4096, 'ENOTHING', '__proto__', ...wrongNumbers, ...wrongTypes()]),
    ],
  },
]

/** Methods without arguments. */
const silent = [
  'ConnectedPair.close',
  'LeakCheck.left',
  'LeakCheck.verify',
  'LeakCheck.verifyAsync',
  'LeakCheck.end',
  'FaultInjection.calls',
  'FaultInjection.end',
  'Weather.portUp',
  'Weather.removeDevice',
  'Weather.end',
]
const keyOf = ({ of, name }: Door) => `${of === testing ? '' : `${of.constructor.name}.`}${name}`

function state() {
  const below = (object: DeviceObject): string[] => object.children.flatMap((child) => [child.label, ...below(child)])
  return { world: world(memory), objects: below(device), log: storm.log, left: check.left(), port: device.ports }
}

describe('bad input is refused with a typed error that names it, and changes nothing', () => {
  const cases = doors.map((door) => [`${keyOf(door)}(${'…, '.repeat(door.before?.length ?? 0)}wrong)`, door] as const)
  test.for(cases)('%s', async ([, door]) => {
    const before = state()
    const complaints: (string | undefined)[] = []
    for (const input of door.inputs) complaints.push(await complaint(door, input))
    expect(complaints.filter((one) => one !== undefined)).toEqual([])
    expect(state()).toEqual(before)
  })
})

describe('every entry point has cases here:', () => {
  const known = new Set(doors.map(keyOf))
  test.each(Object.keys(testing))('%s', (name) => {
    if (name !== 'fixtures') expect(known).toContain(name)
  })
  test.each([pair, storm, faults, check].flatMap((object) => methodsOf(object)))('%s', (key, method) => {
    if (known.has(key)) return
    expect(silent).toContain(key)
    expect(method).toHaveLength(0)
  })
})

test('a closed device is refused', () => {
  const closed = openDevice({ loopback: true })
  closed.close()
  const refused = expect.objectContaining({ code: 'ERR_OBJECT_CLOSED' })
  expect(() => testing.connectedPair({ device: closed })).toThrow(refused)
  expect(() => testing.weather(closed)).toThrow(refused)
  expect(() => testing.injectFaults({ device: closed })).toThrow(refused)
})
