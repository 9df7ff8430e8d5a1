import { describe, expect, test } from 'vitest'
import type { HugepagePool } from '../../src/hugepages/counters.js'
import { parseReachableMemory } from '../../src/hugepages/growth.js'
import type { Attempt } from '../../src/memory/allocate/attempt.js'
import { basePages, hugetlbPages } from '../../src/memory/page-kinds.js'
import { type PoolCounters, passedPoolShortage, poolRoom, poolShortage } from '../../src/memory/shortage/hugepages.js'
import { mappingShortage, mapShortage, memoryShortage } from '../../src/memory/shortage/memory.js'
import { cgroupShortage } from '../../src/memory/shortage/shortage.js'
import { policyKind } from '../../src/native.js'
import { GiB, KiB, MiB } from '../../src/sizes.js'
import { attemptOf } from '../support/region-cores.js'

const pageSize = 2 * MiB

function pool(node: number | undefined, counts: Partial<HugepagePool>): HugepagePool {
  const whole = node === undefined ? { reserved: 0, overcommit: 0 } : { reserved: undefined, overcommit: undefined }
  return { pageSize, node, total: 0, free: 0, surplus: 0, ...whole, ...counts }
}

const none = { policy: policyKind.none, nodes: [] }

/** An attempt to allocate so many hugepages. */
function wanted(pages: number, placement: Parameters<typeof attemptOf>[2] = none): Attempt {
  return attemptOf(pages * pageSize, hugetlbPages(pageSize), placement)
}

const onNode1 = { policy: policyKind.bind, nodes: [1] }

describe('hugepages', () => {
  // All pages of node 0 are in use. 32 pages of node 1 are reserved by others.
  const counters: PoolCounters = {
    machine: pool(undefined, { total: 640, free: 128, reserved: 32 }),
    nodes: [pool(0, { total: 512, free: 0 }), pool(1, { total: 128, free: 128 })],
    allowedNodes: [0, 1],
    growth: () => 10_000,
  }

  test('that are short on a node are reported with the command that adds exactly enough', () => {
    expect(poolShortage(wanted(512, onNode1), counters)).toEqual({
      code: 'ERR_HUGEPAGES_SHORT',
      message: '512 pages of 2 MiB wanted on node 1, 96 free (128 in the pool, 32 reserved by others)',
      values: {
        pageSize,
        wanted: 512,
        available: 96,
        free: 128,
        reserved: 32,
        total: 128,
        nodes: [1],
        perNode: [
          { node: 0, total: 512, free: 0, surplus: 0 },
          { node: 1, total: 128, free: 128, surplus: 0 },
        ],
      },
      hint: 'echo 544 | sudo tee /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages',
    })
  })

  test('that are short on no particular node are reported for the whole machine', () => {
    expect(poolShortage(wanted(100), counters)).toMatchObject({
      message: '100 pages of 2 MiB wanted, 96 free (640 in the pool, 512 in use, 32 reserved by others)',
      hint: 'echo 644 | sudo tee /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages',
    })
  })

  test('beyond the memory of the machine are reported with the possible number, and without a command', () => {
    const small = { ...counters, growth: () => 400 }
    expect(poolShortage(wanted(496), small)?.hint).toContain('echo 1040 |')
    expect(poolShortage(wanted(497), small)).toMatchObject({
      message: expect.stringMatching(/^497 pages of 2 MiB wanted, 96 free .*, and memory for 400 more at most$/),
      hint: undefined,
    })
  })

  test('that are just enough are no shortage', () => {
    expect(poolShortage(wanted(96, onNode1), counters)).toBeUndefined()
    expect(poolShortage(wanted(97, onNode1), counters)).toBeDefined()
  })

  test('may come from any node when a node is only preferred', () => {
    const preferred = { policy: policyKind.prefer, nodes: [0] }
    expect(poolShortage(wanted(96, preferred), counters)).toBeUndefined()
    expect(poolShortage(wanted(1, { policy: policyKind.bind, nodes: [0] }), counters)).toMatchObject({
      message: '1 page of 2 MiB wanted on node 0, 0 free (512 in the pool, 512 in use)',
      hint: expect.stringContaining('echo 513 | sudo tee /sys/devices/system/node/node0/'),
    })
  })

  test('on several nodes add up, and the hint raises the fullest of their pools', () => {
    const bound = wanted(200, { policy: policyKind.bind, nodes: [0, 1] })
    expect(poolShortage(bound, counters)).toMatchObject({
      message: expect.stringContaining('wanted on nodes 0-1, 96 free (640 in the pool'),
      hint: expect.stringContaining('echo 616 | sudo tee /sys/devices/system/node/node0/'),
    })
  })

  test('outside of the cpuset do not count', () => {
    expect(poolRoom(none, { ...counters, allowedNodes: [0] })).toEqual({ available: 0, nodes: [0] })
  })

  test('that the kernel may still make on demand count as free', () => {
    const machine = pool(undefined, { total: 10, free: 4, surplus: 6, overcommit: 16 })
    const surplus = { ...counters, machine, nodes: [pool(0, { total: 10, free: 4, surplus: 6 })] }
    expect(poolRoom(none, surplus).available).toBe(4 + 10)
  })

  test('beyond surplus pages are added to a pool that must first grow by the surplus', () => {
    const machine = pool(undefined, { total: 10, free: 0, surplus: 6, overcommit: 6 })
    const surplus = { ...counters, machine, nodes: [pool(0, { total: 10, free: 0, surplus: 6 })] }
    expect(poolShortage(wanted(5), surplus)?.hint).toContain('echo 15 |')
  })

  test('of a kernel without NUMA are counted as a whole', () => {
    const noNuma = {
      machine: pool(undefined, { total: 8, free: 8 }),
      nodes: [],
      allowedNodes: [0],
      growth: () => 10_000,
    }
    expect(poolShortage(wanted(8), noNuma)).toBeUndefined()
    expect(poolShortage(wanted(9), noNuma)?.values).toMatchObject({ available: 8, perNode: [] })
  })

  test('that became free after the failure are reported as such, without a command', () => {
    const { message, hint } = passedPoolShortage(wanted(8), counters)
    expect(message).toMatch(
      /^8 pages of 2 MiB wanted, 96 free .*, and the kernel refused them: others had them .*, or a cgroup .* limits them$/,
    )
    expect(hint).toBeUndefined()
  })
})

describe('a cgroup', () => {
  const file = '/sys/fs/cgroup/a/hugetlb.2MB.max'
  const limit = { path: '/sys/fs/cgroup/a', file, kind: 'usage', reclaimable: 0, kept: 0 } as const

  test('with too little room is named, with the limit that would be enough', () => {
    expect(cgroupShortage(wanted(16), [{ ...limit, limit: 20 * MiB, usage: 4 * MiB }])).toMatchObject({
      code: 'ERR_CGROUP_LIMIT',
      message: '16 pages of 2 MiB wanted, the cgroup /sys/fs/cgroup/a allows 16 MiB more (limit 20 MiB, 4 MiB in use)',
      hint: `echo ${36 * MiB} | sudo tee ${file}`,
    })
  })

  test('counts memory that this process is populating, or that is kept for other use, as used', () => {
    const memory = { ...limit, limit: 100 * MiB, usage: 40 * MiB, reclaimable: 10 * MiB, kept: 6 * MiB }
    const base = attemptOf(32 * MiB, basePages)
    expect(cgroupShortage(base, [memory], 40 * MiB)).toMatchObject({
      message:
        '32 MiB wanted, the cgroup /sys/fs/cgroup/a allows 24 MiB more (limit 100 MiB, 40 MiB in use, 10 MiB of it reclaimable, 40 MiB under way, 6 MiB kept for other use)',
    })
    expect(cgroupShortage(base, [memory], 30 * MiB)).toBeUndefined()
  })

  test('that would only throttle is reported as memory.high', () => {
    const high = {
      ...limit,
      file: '/sys/fs/cgroup/a/memory.high',
      kind: 'high',
      limit: 20 * MiB,
      usage: 8 * MiB,
    } as const
    expect(cgroupShortage(attemptOf(16 * MiB, basePages), [high])).toMatchObject({
      code: 'ERR_CGROUP_LIMIT',
      message:
        '16 MiB wanted, the cgroup /sys/fs/cgroup/a allows 12 MiB more before it is throttled (memory.high 20 MiB, 8 MiB in use)',
      hint: expect.stringMatching(/memory\.high$/),
    })
  })

  test('with enough room is no shortage, and neither is a missing cgroup', () => {
    expect(cgroupShortage(wanted(8), [{ ...limit, limit: 20 * MiB, usage: 4 * MiB }])).toBeUndefined()
    expect(cgroupShortage(wanted(8), [])).toBeUndefined()
  })
})

describe('base pages', () => {
  const base = attemptOf(GiB, basePages)

  test('are short when they need more than memory and swap together', () => {
    expect(memoryShortage(base, { available: 900 * MiB, swap: 0, nodes: undefined })).toMatchObject({
      code: 'ERR_MEMORY_SHORT',
      message: '1 GiB wanted, 900 MiB available',
    })
    expect(memoryShortage(base, { available: GiB - 1, swap: 1, nodes: undefined })).toBeUndefined()
  })

  test('are short on the nodes that they are bound to', () => {
    expect(memoryShortage(base, { available: 512 * MiB, swap: 256 * MiB, nodes: [1, 2] })?.message).toBe(
      '1 GiB wanted on nodes 1-2, 512 MiB and 256 MiB of swap available',
    )
  })
})

describe('a process', () => {
  const free = { addressSpace: Infinity, data: Infinity, commit: undefined }
  const commit = { available: MiB, limit: 8 * GiB, swap: GiB, committed: 7 * GiB }
  const base = attemptOf(16 * MiB, basePages)

  test.each([
    ['RLIMIT_AS', { addressSpace: MiB }, /^16 MiB of address space wanted, 1 MiB left/, /--as=unlimited$/],
    ['RLIMIT_DATA', { data: MiB }, /^16 MiB of private memory wanted, 1 MiB left/, /--data=unlimited$/],
  ])('is refused by %s', (_, has, message, hint) => {
    const shortage = mapShortage(wanted(8), { ...free, ...has })
    expect(shortage).toMatchObject({ code: 'ERR_MEMORY_SHORT', message: expect.stringMatching(message) })
    expect(shortage?.hint).toMatch(hint)
  })

  test.each([12, 14])('is refused by strict overcommit, with the limit that would be enough (errno %d)', (errno) => {
    expect(mapShortage(base, { ...free, commit }, errno)).toMatchObject({
      code: 'ERR_MEMORY_SHORT',
      message: expect.stringMatching(/^16 MiB wanted, 1 MiB left to commit .* CommitLimit 8 GiB, Committed_AS 7 GiB/),
      values: { available: MiB, commitLimit: 8 * GiB, committed: 7 * GiB },
      hint: `sudo sysctl -w vm.overcommit_kbytes=${(7 * GiB + 15 * MiB + 64 * MiB) / KiB}`,
    })
  })

  test('is refused by the count of its mappings, as native code has counted them', () => {
    expect(mappingShortage({ mappings: 57339, limit: 57339, maxMappings: 65530 })).toMatchObject({
      code: 'ERR_MEMORY_SHORT',
      message: expect.stringMatching(/has 57339 mappings, .* 57339 of the 65530/),
      hint: expect.stringMatching(/=131060$/),
    })
  })

  test('is not refused by limits with room', () => {
    expect(mapShortage(wanted(8), free)).toBeUndefined()
  })
})

test('a hugepage pool can grow by memory that is free, droppable, or fits into swap', () => {
  const node =
    'Node 1 MemTotal: 1000 kB\nNode 1 MemFree: 100 kB\nNode 1 Active(file): 20 kB\nNode 1 Inactive(file): 3 kB\n' +
    'Node 1 Active(anon): 50 kB\nNode 1 Inactive(anon): 7 kB\nNode 1 SReclaimable: 4 kB\n'
  expect(parseReachableMemory(node, 'SwapFree: 0 kB\n')).toBe(127 * KiB)
  expect(parseReachableMemory(node, 'SwapFree: 10 kB\n')).toBe(137 * KiB)
  expect(parseReachableMemory(node, 'SwapFree: 1000 kB\n')).toBe(184 * KiB)
})
