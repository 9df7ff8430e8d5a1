import { spawnSync } from 'node:child_process'
import { afterAll, describe, expect, test } from 'vitest'
import * as pinfold from '../../src/index.js'
import { PageFlags } from '../../src/translate/page-flags.js'
import {
  hostileObjects,
  hugeBigint,
  inside,
  longText,
  option,
  sparse,
  values,
  type WrongInput,
  wrongLengths,
  wrongNumbers,
  wrongObjects,
  wrongOffsets,
  wrongSignals,
  wrongSizes,
  wrongTypes,
} from '../support/bad-input.js'
import { root } from '../support/child-process.js'
import { compiled } from '../support/compiled-program.js'
import { complaint, type Door } from '../support/entry-points.js'
import { methodsOf, world } from '../support/process-state.js'
import { base, regionOptions, registryOptions, wrongNames } from '../support/registry-inputs.js'
import { needs, whyNotPhysical } from '../support/requirements.js'

const memory = pinfold.openRegistrySync({ regions: { rx: base } })
const region = memory.regions.rx
const size = region.size
const slice = region.slice(0, size / 2)
const hold = region.hold('the test')
const translation = region.translate()
const ofProcess = pinfold.translateProcess(process.pid, region.address, size)
/** If page frames are hidden, these are empty page flags: their entry points are listed, but not tried. */
const pageFlags = [translation, ofProcess].map(
  (seen): PageFlags => (whyNotPhysical === undefined ? seen.pageFlags : Object.create(PageFlags.prototype)),
)
const heap = pinfold.createHeap(region)
const block = heap.allocate(64)
const runs = [{ offset: 0, physicalAddress: 2 ** 30, length: 2 ** 21 }]

afterAll(() => {
  hold.release()
  heap.close({ force: true })
  memory.close()
})

const wrongWaits = [...wrongObjects({ signal: undefined }), ...option({}, 'signal', wrongSignals())]
const addresses = [undefined, 5, hugeBigint, -hugeBigint, ...wrongTypes('bigint')]
const handle = region.handle
const wrongParts = [
  ...values([undefined, 7, ...wrongTypes()]),
  ...option({}, 'ring', [null, 7, ...wrongTypes()]),
  ...option({}, 'heap', [{}, { size: 'large' }, { size: -1 }, { size: undefined }]),
  ...option({}, 'pool', [{ count: 4, elementSize: 0 }, { count: -1, elementSize: 64 }, { elementSize: 64 }]),
  ...option({}, 'packets', [{ count: 0 }, { count: 4, headroom: -1 }]),
  ...option({}, 'other', [{ count: 4 }, { count: 4, kind: 'queue' }, { count: 3, kind: 'ring' }]),
]
const poolRequest = { pageSize: '2MiB', pages: 1 }
const poolRequests: readonly WrongInput[] = [
  ...wrongObjects(poolRequest),
  ...option(poolRequest, 'pageSize', [undefined, ...wrongSizes]),
  ...option(poolRequest, 'pages', [undefined, ...wrongNumbers, ...wrongTypes()]),
  ...option(poolRequest, 'node', [...wrongNumbers, ...wrongTypes()]),
  ...option(poolRequest, 'compact', [1, ...wrongTypes('boolean')]),
  ...option(poolRequest, 'dropCaches', [1, ...wrongTypes('boolean')]),
]
const wrongRuns: readonly WrongInput[] = [
  ...values([undefined, 7, [], {}, ...wrongTypes(), [null], [undefined], [7], [{}], hostileObjects()]),
  ...wrongNumbers.map((length) => ({ given: [{ ...runs[0], length }], named: length })),
  ...[-1, 0.5, Number.NaN, '0', 0n].map((offset) => ({ given: [{ ...runs[0], offset }], named: offset })),
  ...[-1, 0.5, Number.NaN, '0', 0n].map((at) => ({ given: [{ ...runs[0], physicalAddress: at }], named: at })),
]
const powers = [0, 3, ...wrongSizes]
const wrongAlignments = [0, 3, 2 ** 31, ...wrongNumbers, ...wrongTypes()]
const detached = new Uint8Array(8)
structuredClone(detached.buffer, { transfer: [detached.buffer] })
const noViews = [undefined, 5, new ArrayBuffer(8), new Uint8Array(0), detached, ...wrongTypes('bigint')]
const pids = [0, 2 ** 31, ...wrongNumbers, ...wrongTypes()]

const doors: readonly Door[] = [
  { of: pinfold, name: 'openRegistry', inputs: [...registryOptions, ...option({}, 'signal', wrongSignals())] },
  {
    of: pinfold,
    name: 'openRegistrySync',
    inputs: registryOptions,
  },
  {
    of: pinfold,
    name: 'attachRegion',
    inputs: [
      ...wrongObjects(handle),
      ...option(handle, 'pinfold', ['slice', undefined, 7]),
      ...option(handle, 'process', [undefined, '7', ...wrongNumbers]),
      ...option(handle, 'region', [undefined, 0, '7', ...wrongNumbers]),
      ...option(handle, 'size', [undefined, 0, '7', ...wrongNumbers]),
      ...option(handle, 'name', [undefined, 7, longText, ...wrongTypes('string')]),
    ],
  },
  { of: pinfold, name: 'borrowHugepages', inputs: poolRequests },
  { of: pinfold, name: 'resizePool', inputs: poolRequests },
  { of: pinfold, name: 'readPool', inputs: values([undefined, ...wrongSizes]) },
  { of: pinfold, name: 'readPool', before: ['2MiB'], inputs: values([...wrongNumbers, ...wrongTypes(), '0', '../x']) },
  { of: pinfold, name: 'parseSize', inputs: values([undefined, ...wrongSizes]) },
  { of: pinfold, name: 'formatSize', inputs: values([undefined, Number.NaN, ...wrongTypes()]) },
  {
    of: pinfold,
    name: 'formatAddress',
    inputs: values([undefined, -1n, hugeBigint, ...wrongNumbers, ...wrongTypes('bigint')]),
  },
  { of: pinfold, name: 'virtToPhys', inputs: values([...noViews, -1n, 2n ** 53n, 2n ** 64n, hugeBigint]) },
  { of: pinfold, name: 'virtToPhys', before: [region.address], inputs: wrongObjects({ pid: 1 }) },
  { of: pinfold, name: 'virtToPhys', before: [region.address], inputs: option({}, 'pid', pids) },
  { of: pinfold, name: 'inspectPage', inputs: values([...noViews, -1n, 2n ** 53n, 2n ** 64n, hugeBigint]) },
  { of: pinfold, name: 'inspectPage', before: [region.address], inputs: option({}, 'pid', pids) },
  { of: pinfold, name: 'translateProcess', inputs: values([undefined, ...pids]) },
  { of: pinfold, name: 'translateProcess', before: [process.pid], inputs: values([...addresses, -1n, 2n ** 64n]) },
  {
    of: pinfold,
    name: 'translateProcess',
    before: [process.pid, region.address],
    inputs: values([0, ...wrongNumbers, 2 ** 52, ...wrongTypes()]),
  },
  {
    of: pinfold,
    name: 'findMappings',
    inputs: values([undefined, -1, 2 ** 52, 2 ** 53, hugeBigint, ...wrongNumbers, ...wrongTypes()]),
  },
  {
    of: pinfold,
    name: 'findMappings',
    before: [2 ** 24],
    inputs: [
      ...wrongObjects({ signal: undefined }),
      ...option({}, 'signal', wrongSignals()),
      ...option({}, 'onProgress', wrongTypes('function')),
    ],
  },
  ...['bestPageSize', 'pageList', 'scatterGatherList', 'nvmePrpList', 'hmcPageTable', 'pageTable'].map((name) => ({
    of: pinfold,
    name,
    inputs: wrongRuns,
  })),
  {
    of: pinfold,
    name: 'bestPageSize',
    before: [runs],
    inputs: values([undefined, [], 0n, -1n, hugeBigint, sparse, ...wrongNumbers]),
  },
  { of: pinfold, name: 'bestPageSize', before: [runs], inputs: values(powers.map((one) => [one])) },
  { of: pinfold, name: 'bestPageSize', before: [runs, [4096]], inputs: wrongObjects({ iova: 0n }) },
  {
    of: pinfold,
    name: 'bestPageSize',
    before: [runs, [4096]],
    inputs: option({}, 'iova', [-1n, 2n ** 64n, hugeBigint, ...wrongNumbers, ...wrongTypes('bigint')]),
  },
  { of: pinfold, name: 'pageList', before: [runs], inputs: option({}, 'pageSize', [undefined, ...powers]) },
  { of: pinfold, name: 'pageTable', before: [runs], inputs: values([undefined, ...powers]) },
  { of: pinfold, name: 'scatterGatherList', before: [runs], inputs: wrongObjects({ maxSegmentLength: 4096 }) },
  {
    of: pinfold,
    name: 'scatterGatherList',
    before: [runs],
    inputs: [
      ...option({}, 'maxSegmentLength', [undefined, ...wrongSizes]),
      ...option({ maxSegmentLength: 4096 }, 'boundary', powers),
      ...option({ maxSegmentLength: 4096 }, 'maxSegments', [0, ...wrongNumbers, ...wrongTypes()]),
    ],
  },
  {
    of: pinfold,
    name: 'nvmePrpList',
    before: [runs],
    inputs: [
      ...wrongObjects({ memoryPageSize: 4096 }),
      ...option({}, 'memoryPageSize', [1024, 2 ** 28, ...powers]),
      ...option({}, 'listPages', [7, ...wrongTypes('object'), {}, sparse]),
      ...inside({}, 'listPages', [
        [[-8], -8],
        [[0.5], 0.5],
        [['0'], '0'],
      ]),
    ],
  },
  {
    of: pinfold,
    name: 'hmcPageTable',
    before: [runs],
    inputs: [
      ...wrongObjects({ firstSegment: 0 }),
      ...option({}, 'firstSegment', [...wrongNumbers, ...wrongTypes()]),
      ...option({}, 'maxSegments', [0, ...wrongNumbers, ...wrongTypes()]),
    ],
  },
  ...['decodeHmcSegmentDescriptor', 'decodeHmcPageDescriptor'].map((name) => ({
    of: pinfold,
    name,
    inputs: values([undefined, -1n, 2n ** 53n, 2n ** 64n, hugeBigint, 5, 0.5, Number.NaN, ...wrongTypes('bigint')]),
  })),

  { of: memory, name: 'allocate', after: [base], inputs: values(wrongNames) },
  {
    of: memory,
    name: 'allocate',
    before: ['new'],
    inputs: [...values([undefined]), ...regionOptions, ...option(base, 'signal', wrongSignals())],
  },
  { of: memory, name: 'allocateSync', after: [base], inputs: values(wrongNames) },
  {
    of: memory,
    name: 'allocateSync',
    before: ['new'],
    inputs: [...values([undefined]), ...regionOptions, ...option(base, 'signal', [new AbortController().signal])],
  },
  { of: memory, name: 'get', inputs: values(wrongNames) },
  { of: memory, name: 'find', inputs: values([...addresses, -1n, 2n ** 64n]) },
  { of: memory, name: 'closeWhenReleased', inputs: wrongWaits },

  { of: region, name: 'view', inputs: values(wrongOffsets(size)) },
  { of: region, name: 'view', before: [0], inputs: values(wrongLengths(size)) },
  { of: region, name: 'view', before: [size], inputs: values([1]) },
  { of: region, name: 'slice', inputs: values(wrongOffsets(size)) },
  { of: region, name: 'slice', before: [0], inputs: values(wrongLengths(size)) },
  { of: region, name: 'hold', inputs: values(['', 'x'.repeat(201), longText, 7, ...wrongTypes('string')]) },
  { of: region, name: 'closeWhenReleased', inputs: wrongWaits },
  { of: slice, name: 'view', inputs: values(wrongOffsets(slice.length)) },
  { of: slice, name: 'view', before: [0], inputs: values(wrongLengths(slice.length)) },
  { of: slice, name: 'slice', inputs: values(wrongOffsets(slice.length)) },
  { of: slice, name: 'slice', before: [0], inputs: values(wrongLengths(slice.length)) },

  ...[
    { of: pinfold, name: 'createLayout' },
    { of: pinfold, name: 'attachLayout' },
    { of: memory, name: 'layout' },
  ].flatMap((door) => [
    {
      ...door,
      after: [{ ring: { count: 2 } }],
      inputs: values([undefined, 7, {}, memory, region.bytes, ...wrongTypes()]),
    },
    { ...door, before: [slice], inputs: wrongParts },
  ]),
  { of: pinfold, name: 'layoutBytes', inputs: wrongParts },
  { of: pinfold, name: 'createHeap', inputs: values([undefined, 7, {}, memory, region.bytes, ...wrongTypes()]) },
  { of: pinfold, name: 'createHeap', before: [slice], inputs: wrongObjects({ blocks: 5 }) },
  {
    of: pinfold,
    name: 'createHeap',
    before: [slice],
    inputs: [
      ...option({}, 'blocks', [0, 2 ** 26 + 1, ...wrongNumbers, ...wrongTypes()]),
      ...option({}, 'redZones', [0, 1, ...wrongTypes('boolean')]),
    ],
  },
  ...['allocate', 'allocateZeroed'].flatMap((name) => [
    { of: heap, name, inputs: values([undefined, 0, ...wrongNumbers, ...wrongTypes()]) },
    { of: heap, name, before: [64], inputs: values(wrongAlignments) },
  ]),
  { of: heap, name: 'reallocate', after: [64], inputs: values(wrongOffsets(size)) },
  { of: heap, name: 'reallocate', before: [block], inputs: values([undefined, 0, ...wrongNumbers, ...wrongTypes()]) },
  { of: heap, name: 'reallocate', before: [block, 64], inputs: values(wrongAlignments) },
  ...['free', 'sizeOf', 'view'].map((name) => ({ of: heap, name, inputs: values([size, ...wrongOffsets(size)]) })),
  {
    of: heap,
    name: 'close',
    inputs: [...wrongObjects({ force: true }), ...option({}, 'force', wrongTypes('boolean'))],
  },

  { of: translation, name: 'physicalFar', inputs: values(wrongOffsets(size)) },
  { of: translation, name: 'physicalAt', inputs: values(wrongOffsets(size)) },
  { of: translation, name: 'offsetOf', inputs: values([undefined, ...wrongNumbers, ...wrongTypes()]) },
  { of: translation, name: 'contains', inputs: values([undefined, ...wrongTypes()]) },
  ...['runs', 'runsAsync'].map((name) => ({ of: translation, name, inputs: wrongObjects({ maxLength: 4096 }) })),
  ...['translateAsync', 'runsAsync', 'verifyAsync'].map((name) => ({
    of: name === 'translateAsync' ? region : translation,
    name,
    inputs: wrongWaits,
  })),
  ...[
    { of: translation, name: 'runs' },
    { of: translation, name: 'runsAsync' },
    { of: translation, name: 'verify' },
    { of: translation, name: 'verifyAsync' },
    { of: region, name: 'translate' },
    { of: region, name: 'translateAsync' },
  ].map(({ of, name }) => ({
    of,
    name,
    inputs: [
      ...option({}, 'maxLength', wrongSizes),
      ...option({}, 'within', [7, [], [0], [0, 1, 2], sparse, ...wrongTypes('function')]),
      ...inside({}, 'within', [
        [[-1, 1], -1],
        [[0, 0.5], 0.5],
        [[0, size + 1], size + 1],
        [[Number.NaN, 1], Number.NaN],
        [['0', 1], '0'],
      ]),
    ],
  })),
  { of: translation, name: 'pageTable', inputs: values([undefined, ...powers]) },
  ...pageFlags.flatMap((flags) => [
    { of: flags, name: 'at', inputs: values(wrongOffsets(size)) },
    { of: flags, name: 'has', after: ['huge'], inputs: values(wrongOffsets(size)) },
    {
      of: flags,
      name: 'has',
      before: [0],
      inputs: values([undefined, 'constructor', '__proto__', longText, ...wrongTypes()]),
    },
  ]),
]

/** Exports without arguments. */
const takesNothing = ['hugetlbPageSizes', 'numaNodes', 'openLoans', 'readPools', 'repairLoans', 'transparentPageSize']
/** Methods without arguments. */
const silentMethods = [
  'MemoryRegistry.list',
  'MemoryRegistry.stats',
  'MemoryRegistry.close',
  'MemoryRegistry.closeAsync',
  'Region.inspect',
  'Region.map',
  'Region.toJSON',
  'Region.close',
  'Region.closeAsync',
  'Hold.release',
  'Heap.stats',
  'Heap.walk',
  'Heap.check',
  'Translation.close',
  'ProcessTranslation.pages',
  'ProcessTranslation.runs',
]
/** Exports that are not functions of an entry point: constants, and the class of errors. */
const constants = ['basePageSize', 'registryChannels', 'sendFlags', 'connectionQueueKey', 'PinfoldError']
/** The entry points of rings and buffer pools. test/pool/bad-input.test.ts contains their cases. */
const ofPools = ['ringBytes', 'createRing', 'attachRing', 'bufferPoolBytes', 'createBufferPool', 'attachBufferPool']
/** The entry points of packets. test/packet/bad-input.test.ts contains their cases. */
const ofPackets = ['packetsBytes', 'createPackets', 'attachPackets']
/** The entry points of RDMA devices. test/rdma/bad-input.test.ts contains their cases. */
const ofDevices = [
  'Completions',
  'createReconnectPolicy',
  'exchange',
  'explainStatus',
  'explainVendorError',
  'formatGid',
  'listDevices',
  'openDevice',
  'parseQueuePair',
  'parseRemoteMemory',
]

const keyOf = ({ of, name }: Door) => `${of === pinfold ? '' : `${of.constructor.name}.`}${name}`

describe('bad input is refused with a typed error that names it, and changes nothing', () => {
  const cases = doors.map((door) => [`${keyOf(door)}(${'…, '.repeat(door.before?.length ?? 0)}wrong)`, door] as const)
  test.for(cases)('%s', async ([, door], context) => {
    needs(context, door.of instanceof PageFlags ? whyNotPhysical : undefined)
    const before = world(memory)
    const complaints: (string | undefined)[] = []
    for (const input of door.inputs) complaints.push(await complaint(door, input))
    expect(complaints.filter((one) => one !== undefined)).toEqual([])
    expect(world(memory)).toEqual(before)
  })
})

test('input that takes all memory or seconds to copy or to print is refused before that', () => {
  // Each input once took minutes. The program is killed after that time, or when it has filled this small heap.
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--max-old-space-size=512', compiled('excessive-input.ts')],
    { encoding: 'utf8', timeout: 120_000, killSignal: 'SIGKILL', cwd: root },
  )
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const answers = stdout.trim().split('\n')
  expect(answers.length).toBeGreaterThan(10)
  expect(answers.filter((answer) => !/ ERR_(INVALID_ARGUMENT|OUT_OF_RANGE)$/.test(answer))).toEqual([])
}, 150_000)

describe('every entry point has cases here:', () => {
  const known = new Set(doors.map(keyOf))

  test.each(Object.entries(pinfold))('%s', (name, exported) => {
    if ([...constants, ...ofDevices, ...ofPools, ...ofPackets].includes(name)) return
    if (!takesNothing.includes(name)) return expect(known).toContain(name)
    expect(exported).toHaveLength(0)
  })

  const objects = [memory, region, slice, hold, heap, translation, ofProcess, ...pageFlags.slice(1)]
  // test/rdma/bad-input.test.ts contains the cases of RDMA.
  const elsewhere = /^MemoryRegistry\.(register|registerSync|registrations)$/
  test.each(objects.flatMap((object) => methodsOf(object)))('%s', (key, method) => {
    if (known.has(key) || elsewhere.test(key)) return
    expect(silentMethods).toContain(key)
    expect(method).toHaveLength(0)
  })
})
