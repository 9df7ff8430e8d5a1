import { afterAll, describe, expect, test } from 'vitest'
import { attachRegion, openRegistrySync } from '../../src/index.js'
import { methodsOf, world } from '../support/process-state.js'

const base = { size: '64KiB', pages: 'base' } as const
const memory = openRegistrySync({ regions: { rx: base } })
const region = memory.regions.rx
const { handle, size } = region
const slice = region.slice(0, size / 2)
const hold = region.hold('the test')
const translation = region.translate()

afterAll(() => {
  hold.release()
  memory.close()
})

describe('a handle is refused, and attaches nothing,', () => {
  const closed = memory.allocateSync('closed', base)
  const { handle: lateHandle } = closed
  closed.close()

  test.each([
    ['of a region that is closed in every thread', lateHandle, /keep the region open/],
    ['of another process', { ...handle, process: (handle.process + 1) % 2 ** 53 }, /backing: { file }/],
    ['of a region that never existed', { ...handle, region: 2 ** 52 }, /keep the region open/],
    ['that names another region', { ...handle, name: 'tx' }, /as region.handle gave it/],
    ['of another size', { ...handle, size: handle.size * 2 }, /as region.handle gave it/],
  ])('%s', (_, foreign, hint) => {
    const before = world(memory)
    expect(() => attachRegion(foreign)).toThrowCode('ERR_REGION_UNKNOWN', {
      values: { name: foreign.name, region: foreign.region },
      hint: expect.stringMatching(hint),
    })
    expect(world(memory)).toEqual(before)
  })
})

describe('a closed region', () => {
  const closed = memory.allocateSync('closed', base)
  const [part, late] = [closed.slice(0, 8), closed.translate()]
  closed.close()
  const remembers = [
    'name',
    'address',
    'size',
    'pages',
    'pageSize',
    'passedOver',
    'closed',
    'toJSON',
    'close',
    'closeAsync',
    'closeWhenReleased',
  ]

  const ofRegion = Object.getPrototypeOf(region)
  const members = [ofRegion, Object.getPrototypeOf(ofRegion)]
    .flatMap((prototype) => Object.getOwnPropertyNames(prototype))
    .filter((name) => name !== 'constructor' && !remembers.includes(name))
  test.each(members)('refuses %s', async (name) => {
    const call = async () => Reflect.apply(Reflect.get(closed, name), closed, name === 'hold' ? [] : [0, 1])
    await expect(call()).rejects.toThrowCode('ERR_REGION_CLOSED', { values: { name: 'closed' } })
  })

  test('still shows its properties, and may be closed again', async () => {
    expect(closed).toMatchObject({ name: 'closed', size, pages: 'base', passedOver: [], closed: true })
    closed.close()
    await closed.closeAsync()
    await closed.closeWhenReleased()
    expect(memory.stats().closed).toBe(2)
  })

  test('refuses through its slices and translations, too', () => {
    expect(() => part.bytes).toThrowCode('ERR_REGION_CLOSED', { values: { name: 'closed' } })
    expect(() => part.view(0, 1)).toThrowCode('ERR_REGION_CLOSED', { values: { name: 'closed' } })
    expect(() => part.slice(0, 1)).toThrowCode('ERR_REGION_CLOSED', { values: { name: 'closed' } })
    expect(() => late.physicalAt(0)).toThrowCode('ERR_REGION_CLOSED', { values: { name: 'closed' } })
  })
})

describe('on another receiver', () => {
  const strangers = [undefined, null, 7, {}, new Map(), Object.create(Object.getPrototypeOf(region))]
  const objects = [memory, region, slice, hold, translation]
  test.each(objects.flatMap((object) => methodsOf(object)))('%s throws, and changes nothing', async (_, method) => {
    const before = world(memory)
    if (typeof method !== 'function') throw new Error('no method')
    for (const stranger of strangers) {
      const called = async () => await Reflect.apply(method, stranger, [0, 1])
      await expect(called()).rejects.toBeInstanceOf(Error)
    }
    expect(world(memory)).toEqual(before)
  })
})
