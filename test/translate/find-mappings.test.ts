import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type FrameMappings,
  findMappings,
  type MemoryRegistry,
  openRegistrySync,
  type Region,
  type RegionOptions,
  virtToPhys,
} from '../../src/index.js'
import { GiB, MiB } from '../../src/sizes.js'
import { basePageSize } from '../../src/system/page-sizes.js'
import { Child } from '../support/child-process.js'
import { mountHugetlbfs } from '../support/hugepage-pools.js'
import { needs, whyNotPages, whyNotPhysical, whyNotPools } from '../support/requirements.js'

const processes = 3

/** Maps a file in this process and in others. Returns who maps its byte `at`, and where. */
async function shared(path: string, size: number, pages: string, at: number) {
  const memory = openRegistrySync()
  onTestFinished(() => memory.close())
  const region = adopted(memory, 'mapped', path, { size, pages })
  const children = Array.from({ length: processes - 1 }, () => new Child('mapper.ts', [path, size, pages]))
  onTestFinished(async () => {
    for (const child of children) await child.kill('SIGKILL')
  })
  const found = [{ pid: process.pid, address: region.address + BigInt(at) }]
  for (const child of children) found.push({ pid: child.pid, address: BigInt(await child.line()) + BigInt(at) })
  return { where: found.sort((one, other) => one.pid - other.pid), children, region }
}

function adopted(memory: MemoryRegistry, name: string, path: string, options: RegionOptions) {
  const descriptor = openSync(path, 'r+')
  try {
    return memory.allocateSync(name, { ...options, backing: { descriptor, mayShrink: true } })
  } finally {
    closeSync(descriptor)
  }
}

function sharedFile(size: number): string {
  const folder = mkdtempSync('/dev/shm/pinfold-')
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(`${folder}/shared`, '')
  truncateSync(`${folder}/shared`, size)
  return `${folder}/shared`
}

const placesOf = (mappings: FrameMappings['mappings']) => mappings.map(({ pid, address }) => ({ pid, address }))

/** Searches for the page of a byte of a region, again if the kernel has moved the page meanwhile. */
async function search(region: Region, at: number): Promise<FrameMappings> {
  for (;;) {
    const translation = region.translate()
    const found = await findMappings(translation.physicalAt(at))
    if (translation.physicalAt(at) === region.translate().physicalAt(at)) return found
  }
}

describe('findMappings', () => {
  test('finds every process that maps a base page, as many as kpagecount says', async (context) => {
    needs(context, whyNotPhysical)
    const path = sharedFile(16 * basePageSize)
    const at = 5 * basePageSize + 0x123
    const { region, where, children } = await shared(path, 16 * basePageSize, 'base', at)
    const found = await search(region, at)
    expect(placesOf(found.mappings)).toEqual(where)
    expect(found.mapCount).toBe(processes)
    expect(found.mappings[0]?.mapping).toMatchObject({ name: path, permissions: 'rw-s' })
    expect(found.flags).not.toContain('huge')

    const [first] = children
    await first?.kill('SIGKILL')
    const rest = await search(region, at)
    expect(rest.mapCount).toBe(processes - 1)
    expect(placesOf(rest.mappings)).toEqual(where.filter(({ pid }) => pid !== first?.pid))
  })

  test('finds every process that maps a hugetlb page, by any byte of it', async (context) => {
    needs(context, whyNotPhysical, whyNotPools(), whyNotPages(4))
    const path = `${mountHugetlbfs(context, 2 * MiB)}/shared`
    writeFileSync(path, '')
    truncateSync(path, 8 * MiB)
    onTestFinished(() => rmSync(path))
    const at = 3 * MiB + 77
    const { region, where } = await shared(path, 8 * MiB, '2MiB', at)
    const found = await search(region, at)
    expect(placesOf(found.mappings)).toEqual(where)
    // The kernel counts the mappings of the whole page, for each of its base pages.
    expect(found.mapCount).toBe(processes)
    expect(found.flags).toContain('huge')
  })

  test('finds two places of one process, and counts them as two', async (context) => {
    needs(context, whyNotPhysical)
    const memory = openRegistrySync()
    onTestFinished(() => memory.close())
    const path = sharedFile(basePageSize)
    const regions = ['one', 'two'].map((name) => adopted(memory, name, path, { size: basePageSize, pages: 'base' }))
    const [first] = regions
    if (first === undefined) throw new Error('no region')
    const found = await search(first, 0)
    expect(found.mapCount).toBe(2)
    const addresses = regions.map(({ address }) => address).sort((one, other) => (one < other ? -1 : 1))
    expect(placesOf(found.mappings)).toEqual(addresses.map((address) => ({ pid: process.pid, address })))
  })

  test('finds a transparent page through its huge entry', async (context) => {
    needs(context, whyNotPhysical)
    const memory = openRegistrySync()
    onTestFinished(() => memory.close())
    const region = memory.allocateSync('thp', { size: 4 * MiB, pages: 'transparent', backing: 'anonymous' })
    const found = await search(region, 2 * MiB + 0x5678)
    expect(placesOf(found.mappings)).toEqual([{ pid: process.pid, address: region.address + BigInt(2 * MiB + 0x5678) }])
    expect(found.mapCount).toBe(1)
  })

  test('lets other work run, reports progress, and ends when it is aborted', async (context) => {
    needs(context, whyNotPhysical)
    const { physicalAddress } = virtToPhys(new Uint8Array(8).fill(1))
    const seen: number[] = []
    let turns = 0
    const count = () => {
      turns++
      if (turns < 1e6) turn = setImmediate(count)
    }
    let turn = setImmediate(count)
    const found = await findMappings(physicalAddress, { onProgress: ({ done, total }) => seen.push(done, total) })
    clearImmediate(turn)
    expect(turns).toBeGreaterThan(2)
    expect(found.mappings.map(({ pid }) => pid)).toContain(process.pid)
    expect(seen.length / 2).toBe(seen[1])
    expect(seen.filter((_, at) => at % 2 === 0)).toEqual(Array.from({ length: seen.length / 2 }, (_, at) => at))

    const reason = new Error('enough')
    const abort = new AbortController()
    const search = findMappings(physicalAddress, { signal: abort.signal, onProgress: () => abort.abort(reason) })
    await expect(search).rejects.toBe(reason)
    const refusal = new Error('from the listener')
    const throwing = findMappings(physicalAddress, {
      onProgress: () => {
        throw refusal
      },
    })
    await expect(throwing).rejects.toBe(refusal)
  })

  test('of an address without memory is an error', async (context) => {
    needs(context, whyNotPhysical)
    await expect(findMappings(2 ** 51)).rejects.toThrowCode('ERR_OUT_OF_RANGE')
    await expect(findMappings(-1)).rejects.toThrowCode('ERR_OUT_OF_RANGE')
    await expect(findMappings(3 * GiB + 0.5)).rejects.toThrowCode('ERR_OUT_OF_RANGE')
  })
})
