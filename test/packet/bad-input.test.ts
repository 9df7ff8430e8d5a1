import { afterAll, describe, expect, test } from 'vitest'
import * as pinfold from '../../src/index.js'
import { option, values, wrongNumbers, wrongObjects, wrongTypes } from '../support/bad-input.js'
import { complaint, type Door } from '../support/entry-points.js'
import { methodsOf, world } from '../support/process-state.js'

// The entry points of packets.

const memory = pinfold.openRegistrySync({
  regions: { packets: { size: '1MiB', pages: 'base' }, unused: { size: '1MiB', pages: 'base' } },
})
const { packets: region, unused } = memory.regions
const packets = pinfold.createPackets(region, {
  bufferSize: 256,
  count: 100,
  fields: { port: 'uint16', id: 'uint64' },
  privateSize: 8,
})
const packet = packets.packet()
const index = packet.index
packets.append(index, 10)
const spare = packets.packet()
const port = packets.field('port', 'uint16')
const id = packets.field('id', 'uint64')
const registration = { offset: 0, slice: () => 0 }

afterAll(() => {
  packets.close()
  memory.close()
})

const noMemory = values([undefined, 7, {}, memory, region.bytes, region.slice(4, 60_000), ...wrongTypes()])
const counts = [-1, 2 ** 32, ...wrongNumbers.filter((count) => count !== 0), ...wrongTypes()]
const arrays = values([undefined, 7, [], new Int32Array(4), new Uint8Array(4), {}, ...wrongTypes()])
const array = new Uint32Array(4)
const wrongIndexes = [-1, 100, 2 ** 29, 2 ** 32, ...wrongNumbers.filter((one) => one !== 0), ...wrongTypes()]
const indexes = values([undefined, ...wrongIndexes])
const bytes = values([undefined, 7, [], new Int32Array(4), {}, ...wrongTypes()])
const packetsOptions = [
  ...wrongObjects({ count: 5 }),
  ...option({}, 'bufferSize', [0, ...wrongNumbers, ...wrongTypes()]),
  ...option({}, 'headroom', [-1, 0.5, Number.NaN, ...wrongTypes()]),
  ...option({}, 'privateSize', [-1, 0.5, 65_537, ...wrongTypes()]),
  ...option({}, 'externals', [-1, 0.5, 65_537, ...wrongTypes()]),
  ...option({}, 'cache', [0, 1, 0.5, ...wrongTypes()]),
  ...option({}, 'align', [0, 3, ...wrongTypes()]),
  ...option({}, 'fields', [7, ...wrongTypes()]),
]

const doors: readonly Door[] = [
  { of: pinfold, name: 'createPackets', inputs: noMemory },
  {
    of: pinfold,
    name: 'createPackets',
    before: [unused],
    inputs: [...packetsOptions, ...option({}, 'count', [0, 2 ** 25 + 1, ...wrongNumbers, ...wrongTypes()])],
  },
  { of: pinfold, name: 'attachPackets', inputs: noMemory },
  {
    of: pinfold,
    name: 'packetsBytes',
    inputs: option({}, 'count', [undefined, 0, 2 ** 25 + 1, ...wrongNumbers, ...wrongTypes()]),
  },
  ...[
    'free',
    'length',
    'segments',
    'dataLength',
    'next',
    'last',
    'offset',
    'headroomOf',
    'tailroomOf',
    'bytes',
    'references',
    'isShared',
    'retain',
    'parts',
    'privateOf',
    'detach',
    'clone',
    'linearize',
    'copy',
  ].map((name) => ({ of: packets, name, inputs: indexes })),
  ...['append', 'prepend', 'adj', 'trim', 'split'].flatMap((name) => [
    { of: packets, name, after: [1], inputs: indexes },
    { of: packets, name, before: [index], inputs: values([undefined, ...counts]) },
  ]),
  ...['attach', 'chain', 'compare'].flatMap((name) => [
    { of: packets, name, after: [index], inputs: indexes },
    { of: packets, name, before: [spare.index], inputs: indexes },
  ]),
  ...['allocateBulk', 'freeBulk'].flatMap((name) => [
    { of: packets, name, inputs: arrays },
    { of: packets, name, before: [array], inputs: values([5, ...counts]) },
    { of: packets, name, before: [array, 4], inputs: values(counts) },
  ]),
  { of: packets, name: 'burst', inputs: values([undefined, 0, 2 ** 24 + 1, ...counts.filter((count) => count !== 0)]) },
  ...['read', 'write'].flatMap((name) => [
    { of: packets, name, after: [0, new Uint8Array(1)], inputs: indexes },
    { of: packets, name, before: [index], after: [new Uint8Array(1)], inputs: values([undefined, 11, ...counts]) },
    { of: packets, name, before: [index, 0], inputs: bytes },
  ]),
  { of: packets, name: 'copy', before: [index], inputs: values([11, ...counts]) },
  { of: packets, name: 'copy', before: [index, 0], inputs: values([11, ...counts]) },
  { of: packets, name: 'piece', inputs: indexes },
  { of: packets, name: 'piece', before: [index], inputs: values([11, ...counts]) },
  { of: packets, name: 'piece', before: [index, 0], inputs: values([11, ...counts]) },
  { of: packets, name: 'scatter', after: [registration], inputs: indexes },
  { of: packets, name: 'scatter', before: [index], inputs: values([undefined, null, 7, 'registration', {}]) },
  { of: packets, name: 'attachExternal', after: [region.slice(0, 1), () => {}], inputs: indexes },
  {
    of: packets,
    name: 'attachExternal',
    before: [spare.index],
    after: [() => {}],
    inputs: values([undefined, 7, {}, new Uint8Array(4), ...wrongTypes()]),
  },
  {
    of: packets,
    name: 'attachExternal',
    before: [spare.index, region.slice(0, 1)],
    inputs: values([undefined, 7, {}, ...wrongTypes('function')]),
  },
  { of: packets, name: 'packet', inputs: values(wrongIndexes) },
  { of: packets, name: 'field', after: ['uint16'], inputs: values(['none', '__proto__', ...wrongTypes('string')]) },
  { of: packets, name: 'field', before: ['port'], inputs: values([undefined, 'uint32', 'int', ...wrongTypes()]) },
  ...[port, id].map((of) => ({ of, name: 'get', inputs: indexes })),
  { of: port, name: 'set', before: [index], inputs: values([undefined, 5n, ...wrongTypes()]) },
  { of: id, name: 'set', before: [index], inputs: values([undefined, 5, ...wrongTypes('bigint')]) },
  { of: packet, name: 'at', inputs: indexes },
  ...['append', 'prepend'].map((name) => ({ of: packet, name, inputs: bytes })),
  ...['adj', 'trim', 'split'].map((name) => ({ of: packet, name, inputs: values([undefined, 11, ...counts]) })),
  { of: packet, name: 'chain', inputs: values([undefined, 7, {}, ...wrongTypes()]) },
  { of: packet, name: 'copy', inputs: values([11, ...counts]) },
  { of: packet, name: 'piece', inputs: values([11, ...counts]) },
]

/** Methods without an argument that could be wrong. */
const silent = [
  ...['allocate', 'runReleases', 'close'].map((name) => `Packets.${name}`),
  ...['clone', 'linearize', 'free', 'toBytes', 'scatter'].map((name) => `Packet.${name}`),
]

function keyOf({ of, name }: Door): string {
  return of === pinfold ? name : `${of.constructor.name}.${name}`
}

describe('bad input is refused with a typed error that names it, and changes nothing', () => {
  test.each(doors.map((door) => [keyOf(door), door.before?.length ?? 0, door] as const))(
    '%s(… %i …)',
    async (_, __, door) => {
      const state = () => [world(memory), packets.available, packets.length(index), packets.references(index)]
      const before = state()
      const complaints: (string | undefined)[] = []
      for (const input of door.inputs) complaints.push(await complaint(door, input))
      expect(complaints.filter((one) => one !== undefined)).toEqual([])
      expect(state()).toEqual(before)
    },
  )
})

describe('every entry point has cases here:', () => {
  const known = new Set([...doors.map(keyOf), ...silent])
  // A private method of TypeScript is a method of the object, too.
  const inside = new Set(['Packets.isPacket'])
  test.each([packets, packet].flatMap((object) => methodsOf(object)))('%s', (key) => {
    if (!inside.has(key)) expect(known).toContain(key)
  })
})
