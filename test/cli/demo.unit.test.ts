import { describe, expect, test } from 'vitest'
import { countDifferences, writePattern } from '../../src/cli/demo/pattern.js'
import { compareHoldings } from '../../src/cli/demo/remains.js'
import { DemoText } from '../../src/cli/demo/render.js'
import { plain } from '../../src/cli/output.js'
import { MiB } from '../../src/sizes.js'

const text = new DemoText(plain)

describe('the pattern', () => {
  test('is found as it was written, and every changed word is counted', () => {
    const bytes = new Uint8Array(64)
    writePattern(bytes, 7)
    expect(countDifferences(bytes, 7)).toBe(0)
    bytes[5] = (bytes[5] ?? 0) ^ 1
    bytes[60] = (bytes[60] ?? 0) ^ 1
    expect(countDifferences(bytes, 7)).toBe(2)
  })

  test('of another seed differs everywhere', () => {
    const bytes = new Uint8Array(64)
    writePattern(bytes, 7)
    expect(countDifferences(bytes, 8)).toBe(16)
  })

  test('differs from zeros in every word', () => {
    expect(countDifferences(new Uint8Array(64), 0x5eed)).toBe(16)
  })
})

describe('the comparison of the state after a demo with the state before', () => {
  const pool = { pageSize: 2 * MiB, total: 64, free: 64 }
  const before = { mappings: 0, descriptors: ['0 pipe', '1 pipe'], pools: [pool], others: [] }

  test('finds nothing left if all counts are as before', () => {
    expect(compareHoldings(before, before)).toMatchObject({ nothing: true, poolsAsBefore: true })
  })

  test.each([
    ['a mapping', { ...before, mappings: 1 }],
    ['a descriptor', { ...before, descriptors: ['0 pipe', '1 pipe', '9 /memfd:pinfold:demo (deleted)'] }],
    ['pages in use', { ...before, pools: [{ ...pool, free: 32 }] }],
    ['pages in the pool', { ...before, pools: [{ ...pool, total: 96, free: 96 }] }],
  ])('finds %s', (_, after) => {
    expect(compareHoldings(before, after).nothing).toBe(false)
  })

  test('does not count the changes of a pool that other processes use, but names these processes', () => {
    const remains = compareHoldings(before, { ...before, pools: [{ ...pool, free: 32 }], others: [4711] })
    expect(remains).toMatchObject({ nothing: true, poolsAsBefore: false, others: [4711] })
    expect(text.left(remains, 1)).toContain('process 4711')
  })

  test('names the descriptor that is still open', () => {
    const remains = compareHoldings(before, { ...before, descriptors: [...before.descriptors, '9 /memfd:x'] })
    expect(text.left(remains, 1)).toContain('open: 9 /memfd:x')
  })
})

describe('the demo’s lines', () => {
  const states = { present: 32, swapped: 0, hidden: 0, absent: 0 }
  const run = (index: number) => ({
    offset: index * 2 * MiB,
    physicalAddress: BigInt(0x4000_0000 + index * 4 * MiB),
    length: 2 * MiB,
  })

  test('list the first runs, count the rest, and compare page tables', () => {
    const runs = Array.from({ length: 32 }, (_, index) => run(index))
    const pageTables = [
      { pageSize: 4096, entries: 16384 },
      { pageSize: 2 * MiB, entries: 32 },
    ]
    expect(text.physical({ states, runs, pageTables, milliseconds: 0.2 }, true)).toBe(
      `translated  32 physical runs, the guest's addresses                     200 µs
            +0       0x40000000  2MiB
            +2MiB    0x40400000  2MiB
            +4MiB    0x40800000  2MiB
            +6MiB    0x40c00000  2MiB
            and 28 more
page table  16,384 at 4KiB, 32 at 2MiB: 512 times fewer entries`,
    )
  })

  test('say why there are no physical addresses', () => {
    const hidden = { ...states, present: 0, hidden: 32 }
    const lines = text.physical({ states: hidden, runs: null, pageTables: null, milliseconds: 1 }, false)
    expect(lines).toContain('32 pages hidden: physical addresses need CAP_SYS_ADMIN')
  })

  test('name the device, and say why a better device was not used', () => {
    const step = {
      name: 'loopback0',
      kind: 'loopback',
      passedOver: [{ device: 'mlx5_0', code: 'ERR_DEVICE_PERMISSION', reason: '/dev/infiniband/uverbs0: EACCES' }],
      registration: { bytes: 64 * MiB, access: ['localWrite', 'remoteWrite'], milliseconds: 0.04 },
      write: { bytes: 64 * MiB, requests: 64, differences: 0, milliseconds: 12.5 },
    } as const
    expect(text.device(step)).toBe(
      `registered  64MiB with loopback0, in this process                        40 µs
            not mlx5_0: /dev/infiniband/uverbs0: EACCES
by device   64 RDMA writes from a second queue pair, 0 differ          12.5 ms   5.0 GiB/s`,
    )
    const slow = { ...step, write: { ...step.write, milliseconds: 1234.5 } }
    expect(text.device(slow)).toMatch(/ 1\.23 s {3}0\.1 GiB\/s$/)
    expect(text.device({ ...step, name: 'rxe0', kind: 'verbs' })).toContain('with rxe0 ')
    expect(text.device({ ...step, write: { ...step.write, differences: 7 } })).toContain('7 words differ')
  })

  test('say how many pages were borrowed, and how many a killed run had left', () => {
    const pages = {
      pool: { pageSize: 2 * MiB, total: 0, free: 0 },
      enough: true,
      borrowed: 32,
      repaired: [{ pid: 4711, pageSize: 2 * MiB, pages: 32 }],
      refusals: [],
    }
    expect(text.pages(pages)).toBe(
      `repaired    took back 32 pages of 2MiB that process 4711 left when it was killed
hugepages   0 pages of 2MiB were free: 32 borrowed for this run`,
    )
  })
})
