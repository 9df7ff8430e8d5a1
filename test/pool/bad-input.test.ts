import { afterAll, describe, expect, test } from 'vitest'
import * as pinfold from '../../src/index.js'
import {
  option,
  values,
  type WrongInput,
  wrongNumbers,
  wrongObjects,
  wrongSizes,
  wrongTypes,
} from '../support/bad-input.js'
import { complaint, type Door } from '../support/entry-points.js'
import { methodsOf, world } from '../support/process-state.js'

// The entry points of rings and buffer pools.

const memory = pinfold.openRegistrySync({
  regions: { ring: { size: '64KiB', pages: 'base' }, pool: { size: '1MiB', pages: 'base' } },
})
const { ring: ringRegion, pool: poolRegion } = memory.regions
const ring = pinfold.createRing(ringRegion)
const pool = pinfold.createBufferPool(poolRegion, { elementSize: 64, count: 100 })
const registration = { offset: 0, slice: () => 0 }
const translation = { physicalAt: () => 0 }

afterAll(() => {
  ring.close()
  pool.close()
  memory.close()
})

const noMemory = values([undefined, 7, {}, memory, poolRegion.bytes, ringRegion.slice(4, 60_000), ...wrongTypes()])
const counts = [-1, 2 ** 32, ...wrongNumbers.filter((count) => count !== 0), ...wrongTypes()]
/** Indexes at which four elements of an array of four cannot begin. */
const places = counts
const arrays = values([undefined, 7, [], new Int32Array(4), new Uint8Array(4), {}, ...wrongTypes()])
const array = new Uint32Array(4)
const indexes = values([undefined, -1, 100, 2 ** 32, ...wrongNumbers.filter((index) => index !== 0), ...wrongTypes()])
const elements = { elementSize: 64, count: 10 }
const useOptions: readonly WrongInput[] = [
  ...option({}, 'patience', [-1, Number.NaN, ...wrongTypes()]),
  ...option({}, 'statistics', [1, 'on', null, {}]),
  ...option({}, 'tracking', ['some', 7, null, true, { oneIn: 0 }, { oneIn: 0.5 }]),
]
const ringUse = option({}, 'patience', [-1, Number.NaN, ...wrongTypes()])

const doors: readonly Door[] = [
  { of: pinfold, name: 'ringBytes', inputs: values([undefined, 0, 1, 3, 2 ** 29, ...wrongNumbers, ...wrongTypes()]) },
  { of: pinfold, name: 'createRing', inputs: noMemory },
  {
    of: pinfold,
    name: 'createRing',
    before: [poolRegion.slice(4096, 8192)],
    inputs: [
      ...wrongObjects({ count: 8 }),
      ...option({}, 'count', [0, 1, 3, ...wrongNumbers, ...wrongTypes()]),
      ...option({}, 'producers', ['two', 2, null]),
      ...option({}, 'consumers', ['two', 2, null]),
      ...option({ count: 8 }, 'highWatermark', [-1, 9, 0.5, ...wrongTypes()]),
      ...option({ count: 8 }, 'lowWatermark', [-1, 9, 0.5, ...wrongTypes()]),
      ...ringUse,
    ],
  },
  { of: pinfold, name: 'attachRing', inputs: noMemory },
  { of: pinfold, name: 'attachRing', before: [ringRegion], inputs: [...wrongObjects({ patience: 5 }), ...ringUse] },
  { of: ring, name: 'enqueue', inputs: values([undefined, -1, 2 ** 32, 0.5, Number.NaN, ...wrongTypes()]) },
  ...['enqueueBulk', 'enqueueBurst', 'dequeueBulk', 'dequeueBurst'].flatMap((name) => [
    { of: ring, name, inputs: arrays },
    { of: ring, name, before: [array], inputs: values([5, ...counts]) },
    { of: ring, name, before: [array, 4], inputs: values(places) },
  ]),
  { of: pool, name: 'burst', inputs: values([undefined, 0, 2 ** 24 + 1, ...wrongNumbers, ...wrongTypes()]) },
  { of: ring, name: 'burst', inputs: values([undefined, 0, 2 ** 24 + 1, ...wrongNumbers, ...wrongTypes()]) },
  ...['reserveEnqueueBulk', 'reserveEnqueueBurst', 'reserveDequeueBulk', 'reserveDequeueBurst'].map((name) => ({
    of: ring,
    name,
    inputs: values([undefined, ...counts]),
  })),

  {
    of: pinfold,
    name: 'bufferPoolBytes',
    inputs: [...wrongObjects(elements), ...option(elements, 'elementSize', [undefined, ...wrongSizes])],
  },
  { of: pinfold, name: 'createBufferPool', after: [elements], inputs: noMemory },
  {
    of: pinfold,
    name: 'createBufferPool',
    before: [ringRegion.slice(0, 65536)],
    inputs: [
      ...wrongObjects(elements),
      ...option(elements, 'elementSize', [undefined, ...wrongSizes]),
      ...option(elements, 'count', [0, 2 ** 31, ...wrongNumbers, ...wrongTypes()]),
      ...option(elements, 'align', [0, 2, 3, 2 ** 31, ...wrongNumbers, ...wrongTypes()]),
      ...option(elements, 'crossPages', [0, 1, ...wrongTypes('boolean')]),
      ...option(elements, 'cache', [0, 1, 2 ** 17, ...wrongNumbers, ...wrongTypes()]),
    ],
  },
  { of: pinfold, name: 'attachBufferPool', inputs: noMemory },
  {
    of: pinfold,
    name: 'attachBufferPool',
    before: [poolRegion],
    inputs: [...wrongObjects({ patience: 5 }), ...useOptions],
  },
  ...['put', 'offset', 'view', 'adopt'].map((name) => ({ of: pool, name, inputs: indexes })),
  { of: pool, name: 'physicalAt', after: [translation], inputs: indexes },
  { of: pool, name: 'sge', after: [registration], inputs: indexes },
  { of: pool, name: 'sge', before: [1, registration], inputs: values([65, -1, 0.5, Number.NaN, '1', null]) },
  { of: pool, name: 'indexAt', inputs: values([undefined, 0, ...wrongNumbers, ...wrongTypes()]) },
  ...['getBulk', 'putBulk'].flatMap((name) => [
    { of: pool, name, inputs: arrays },
    { of: pool, name, inputs: arrays, after: [4] },
    { of: pool, name, before: [array], inputs: values([5, ...counts]) },
    { of: pool, name, before: [array, 4], inputs: values(places) },
  ]),
  ...['take', 'room', 'give'].map((name) => ({ of: pool, name, inputs: values([undefined, 257, ...counts]) })),
  { of: pool, name: 'wait', inputs: [...wrongObjects({ signal: undefined }), ...option({}, 'signal', [7, {}, 'now'])] },
]

/** Methods without an argument that could be wrong, or with a code of their own for every refusal. */
const silent = [
  ...['dequeue', 'close', 'commitEnqueue', 'commitDequeue'].map((name) => `Ring.${name}`),
  ...['get', 'flush', 'reclaim', 'reclaimTaken', 'stats', 'close'].map((name) => `BufferPool.${name}`),
]

describe('bad input is refused with a typed error that names it, and changes nothing', () => {
  test.each(doors.map((door) => [keyOf(door), door.before?.length ?? 0, door] as const))(
    '%s(… %i …)',
    async (_, __, door) => {
      const before = { world: world(memory), ring: ring.count, pool: pool.available }
      const complaints: (string | undefined)[] = []
      for (const input of door.inputs) complaints.push(await complaint(door, input))
      expect(complaints.filter((one) => one !== undefined)).toEqual([])
      expect({ world: world(memory), ring: ring.count, pool: pool.available }).toEqual(before)
    },
  )
})

function keyOf({ of, name }: Door): string {
  return of === pinfold ? name : `${of.constructor.name}.${name}`
}

describe('every entry point has cases here:', () => {
  const known = new Set([...doors.map(keyOf), ...silent])

  test.each(['ringBytes', 'createRing', 'attachRing', 'bufferPoolBytes', 'createBufferPool', 'attachBufferPool'])(
    '%s',
    (name) => {
      expect(known).toContain(name)
    },
  )

  // Methods that are private in TypeScript are methods of the object, too, but not entry points.
  const inside =
    /\.(put|get|answer|mayTake|leave|look|requireOpen|enqueueOne|dequeueOne|use|ready|wordsNow|isElement|noElement|fill|freeElements|isLineAlive|exchanged)$/
  test.each([ring, pool].flatMap((object) => methodsOf(object)))('%s', (key) => {
    if (!inside.test(key) || silent.includes(key)) expect(known).toContain(key)
  })
})
