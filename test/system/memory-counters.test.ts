import { readFileSync } from 'node:fs'
import { arch, availableParallelism } from 'node:os'
import { describe, expect, test } from 'vitest'
import { borrowHugepages } from '../../src/hugepages/index.js'
import { formatSize, KiB, MiB } from '../../src/sizes.js'
import { allowedNodes, memoryNodes, numaNodes } from '../../src/system/numa.js'
import { basePageSize, hugetlbPageSizes, transparentModes, transparentPageSize } from '../../src/system/page-sizes.js'
import { capabilities, memlockLimit, processMemory } from '../../src/system/process-limits.js'
import { readNumaMaps, readSmaps } from '../../src/system/smaps.js'
import { pageSize } from '../support/hugepage-pools.js'
import { allocateCoreSync } from '../support/region-cores.js'
import { needs, whyNotPools, whyNotRoot, whyNotTransparent } from '../support/requirements.js'

describe('page sizes', () => {
  test('are powers of two, and hugetlb pages are listed largest first and are larger than the base page', () => {
    for (const size of [basePageSize, ...hugetlbPageSizes()]) expect(Math.log2(size) % 1).toBe(0)
    expect(hugetlbPageSizes()).toEqual([...hugetlbPageSizes()].sort((one, other) => other - one))
    for (const size of hugetlbPageSizes()) expect(size).toBeGreaterThan(basePageSize)
  })

  test('on x86-64 are 4 KiB for base pages and 2 MiB for transparent pages', ({ skip }) => {
    skip(arch() !== 'x64', 'needs x86-64')
    expect(basePageSize).toBe(4 * KiB)
    expect([2 * MiB, undefined]).toContain(transparentPageSize())
  })

  test('include the modes of transparent pages, if the kernel supports these', (context) => {
    needs(context, whyNotTransparent)
    const { enabled, shmem, defrag } = transparentModes()
    expect(['always', 'madvise', 'never']).toContain(enabled)
    expect(['always', 'within_size', 'advise', 'never', 'deny', 'force']).toContain(shmem)
    expect(['always', 'defer', 'defer+madvise', 'madvise', 'never']).toContain(defrag)
  })
})

describe('NUMA nodes', () => {
  test('own all CPUs of the machine, and memory if the kernel says so', () => {
    const nodes = numaNodes()
    expect(nodes.flatMap(({ cpus }) => cpus).length).toBeGreaterThanOrEqual(availableParallelism())
    for (const { id, memoryBytes } of nodes) {
      const has = memoryNodes().includes(id)
      expect({ id, has: memoryBytes > 0 }).toEqual({ id, has })
    }
    // The sum is not compared with MemTotal of /proc/meminfo. If a host takes memory back from its guest, the two
    // numbers differ (14 GiB of 24 were seen), and change while they are read.
    const free = nodes.reduce((sum, { freeBytes }) => sum + freeBytes, 0)
    expect(free).toBeGreaterThan(0)
  })

  test('are nearest to themselves', () => {
    const nodes = numaNodes()
    for (const [index, { distances }] of nodes.entries()) {
      expect(distances).toHaveLength(nodes.length)
      expect(distances[index]).toBe(10)
    }
  })

  test('with memory are online, and this process may use some of them', () => {
    const ids = numaNodes().map(({ id }) => id)
    for (const node of memoryNodes()) expect(ids).toContain(node)
    expect(memoryNodes().some((node) => allowedNodes().includes(node))).toBe(true)
  })
})

describe('limits of this process', () => {
  test('are those of /proc/self/limits', () => {
    const [, soft = '', hard = ''] =
      /^Max locked memory\s+(\S+)\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? []
    const bytes = (text: string) => (text === 'unlimited' ? Infinity : Number(text))
    expect(memlockLimit()).toEqual({ soft: bytes(soft), hard: bytes(hard) })
  })

  test('of root include CAP_SYS_ADMIN', (context) => {
    needs(context, whyNotRoot('have its capabilities'))
    expect(capabilities().has('CAP_DAC_OVERRIDE')).toBe(true)
  })
})

describe('smaps', () => {
  test('shows hugetlb pages by their size, and that forks and dumps leave them out', (context) => {
    needs(context, whyNotPools())
    using loan = borrowHugepages({ pageSize, pages: 2 })
    const region = allocateCoreSync('seen', { size: loan.pages * pageSize, pages: formatSize(pageSize) })
    try {
      const use = readSmaps(region.address, region.size)
      expect(use).toMatchObject({ mapped: region.size, kernelPageSize: pageSize, mmuPageSize: pageSize, resident: 0 })
      expect(use.hugetlbPrivate + use.hugetlbShared).toBe(region.size)
      expect(use.name).toBe('/memfd:pinfold:seen (deleted)')
      expect(use.flags).toEqual(expect.arrayContaining(['ht', 'dc', 'dd']))
    } finally {
      region.close()
    }
  })

  test('shows base pages that are resident and locked', () => {
    const before = processMemory().locked
    const region = allocateCoreSync('locked', { size: 4 * basePageSize, pages: 'base', lock: true })
    try {
      const use = readSmaps(region.address, region.size)
      expect(use).toMatchObject({ mapped: region.size, resident: region.size, locked: region.size, transparent: 0 })
      expect(use.kernelPageSize).toBe(basePageSize)
      expect(processMemory().locked).toBe(before + region.size)
    } finally {
      region.close()
    }
    expect(processMemory().locked).toBe(before)
  })

  test('and numa_maps agree with the nodes that this process may use', ({ skip }) => {
    const region = allocateCoreSync('placed', { size: MiB, pages: 'base' })
    try {
      const bytes = readNumaMaps(region.address, region.size)
      skip(bytes === undefined, 'this kernel has no NUMA')
      expect(Object.values(bytes ?? {}).reduce((sum, part) => sum + part, 0)).toBe(region.size)
      for (const node of Object.keys(bytes ?? {})) expect(allowedNodes()).toContain(Number(node))
    } finally {
      region.close()
    }
  })

  test('of a range where nothing is mapped is all zeros', () => {
    expect(readSmaps(0n, basePageSize)).toMatchObject({ mapped: 0, kernelPageSize: 0, name: '' })
  })

  test('of another process shows the mappings of that process', ({ skip }) => {
    const [, start = '', name] =
      /^([0-9a-f]+)-\S+ .* (\/\S+)$/m.exec(readFileSync(`/proc/${process.ppid}/maps`, 'utf8')) ?? []
    skip(start === '', 'the parent process has no file mapped')
    expect(readSmaps(BigInt(`0x${start}`), 1, process.ppid)).toMatchObject({ name })
  })

  test('of an unknown process is a typed error', () => {
    // pid_max is at most 2^22 (proc_sys_kernel(5)).
    expect(() => readSmaps(0n, 1, 2 ** 22 + 1)).toThrowCode('ERR_PROCESS_UNKNOWN')
  })
})
