import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test } from 'vitest'
import { attachRegion, type MemoryRegistry, openRegistrySync, type Region, type RegionHandle } from '../../src/index.js'
import { collected } from '../support/garbage-collection.js'
import { mappedRegions } from '../support/mapped-regions.js'

const open: { close(): void }[] = []
const workers: Worker[] = []

function registry(): MemoryRegistry {
  const memory = openRegistrySync()
  open.push(memory)
  return memory
}

interface Answer {
  readonly value?: unknown
  readonly code?: string
}

class Attached {
  readonly worker: Worker

  private constructor(worker: Worker) {
    this.worker = worker
  }

  static async start(handle: RegionHandle): Promise<Attached> {
    const worker = new Worker(new URL('../support/programs/attached.mjs', import.meta.url), { workerData: { handle } })
    workers.push(worker)
    await once(worker, 'message')
    return new Attached(worker)
  }

  async ask(action: string, rest: object = {}): Promise<Answer> {
    this.worker.postMessage({ action, ...rest })
    const [answer] = await once(this.worker, 'message')
    return answer
  }
}

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()))
  for (const one of open.splice(0)) one.close()
  expect(mappedRegions()).toEqual([])
})

const base = { size: '1MiB', pages: 'base' } as const

describe('a region in two threads', () => {
  test('is the same memory at the same address, with the same properties', async () => {
    const region = registry().allocateSync('shared', base)
    const attached = await Attached.start(region.handle)
    region.bytes[4097] = 9
    expect(await attached.ask('read', { offset: 4097 })).toEqual({ value: 9 })
    await attached.ask('write', { offset: 5, value: 11 })
    expect(region.bytes[5]).toBe(11)
    const { name, size, address, pages } = region
    expect(await attached.ask('facts')).toEqual({ value: { name, size, address, pages } })
  })

  test('is one memory for Atomics', async () => {
    const region = registry().allocateSync('shared', base)
    const all = await Promise.all([Attached.start(region.handle), Attached.start(region.handle)])
    await Promise.all(all.map((attached) => attached.ask('add', { offset: 64, times: 50_000 })))
    expect(new Int32Array(region.bytes.buffer, 64, 1)[0]).toBe(100_000)
  })

  test('lives until the last thread has closed it', async () => {
    const region = registry().allocateSync('shared', base)
    const attached = await Attached.start(region.handle)
    region.bytes[0] = 42
    region.close()
    expect(await attached.ask('read', { offset: 0 })).toEqual({ value: 42 })
    expect(mappedRegions()).toEqual(['shared'])
    await attached.ask('close')
    expect(mappedRegions()).toEqual([])
    expect(await attached.ask('read', { offset: 0 })).toMatchObject({ code: 'ERR_REGION_CLOSED' })
  })

  test('lives until the last thread has died', async () => {
    const region = registry().allocateSync('shared', base)
    const attached = await Attached.start(region.handle)
    region.close()
    expect(mappedRegions()).toEqual(['shared'])
    await attached.worker.terminate()
    expect(await collected(() => mappedRegions().length === 0)).toBe(true)
  })

  test('may be closed by one thread while the other holds it', async () => {
    const region = registry().allocateSync('shared', base)
    const attached = await Attached.start(region.handle)
    await attached.ask('hold')
    region.close()
    expect(region.closed).toBe(true)
    expect(await attached.ask('close')).toMatchObject({ code: 'ERR_REGION_HELD' })
  })

  test('can be attached again in the same thread, as another Region that is closed by itself', () => {
    const region = registry().allocateSync('shared', base)
    const again = attachRegion(region.handle)
    again.bytes[3] = 3
    again.close()
    expect(region.bytes[3]).toBe(3)
  })
})

describe('a handle', () => {
  test('is small, plain data', () => {
    const { handle } = registry().allocateSync('shared', base)
    expect(structuredClone(handle)).toEqual(handle)
    expect(JSON.stringify(handle).length).toBeLessThan(200)
  })

  test.each([
    ['a region', (region: Region): unknown => region],
    ['a region that was posted', (region: Region): unknown => structuredClone(region)],
    ['the handle as text', (region: Region): unknown => JSON.stringify(region.handle)],
  ])('is not %s, and the error says what to post', (_, given) => {
    const region = registry().allocateSync('shared', base)
    expect(() => Reflect.apply(attachRegion, undefined, [given(region)])).toThrowCode('ERR_INVALID_ARGUMENT', {
      message: expect.stringContaining('post region.handle'),
      hint: expect.stringContaining('region.handle'),
    })
    region.close()
    expect(mappedRegions()).toEqual([])
  })

  test('of a region that is closed everywhere is refused', () => {
    const region = registry().allocateSync('shared', base)
    const { handle } = region
    region.close()
    expect(() => attachRegion(handle)).toThrowCode('ERR_REGION_UNKNOWN')
  })

  test.each([
    ['another process', { process: 1 }],
    ['another region', { region: 2 ** 40 }],
    ['another name', { name: 'other' }],
    ['another size', { size: 4096 }],
  ])('that names %s is refused, and attaches nothing', (_, forged) => {
    const region = registry().allocateSync('shared', base)
    expect(() => attachRegion({ ...region.handle, ...forged })).toThrowCode('ERR_REGION_UNKNOWN')
    region.close()
    expect(mappedRegions()).toEqual([])
  })
})
