import { expect, test } from 'vitest'
import { KiB, MiB } from '../../src/sizes.js'
import { parseNumaMaps, parseSmaps, sumMappings } from '../../src/system/smaps.js'

// Recorded from a kernel. Fields that are always zero are left out.
const smaps = `7f5a40000000-7f5a40800000 rw-s 00000000 00:10 2061                       /memfd:pinfold:rx queue (deleted)
Size:               8192 kB
KernelPageSize:     2048 kB
MMUPageSize:        2048 kB
Rss:                   0 kB
Shared_Hugetlb:     2048 kB
Private_Hugetlb:    6144 kB
THPeligible:           0
VmFlags: rd wr sh mr mw me ms dc de ht dd
7f5a41000000-7f5a41400000 rw-p 00000000 00:00 0                          [anon:pinfold:tx]
Size:               4096 kB
KernelPageSize:        4 kB
MMUPageSize:           4 kB
Rss:                4096 kB
AnonHugePages:      2048 kB
Swap:                 16 kB
Locked:             4096 kB
VmFlags: rd wr mr mw me lo dc ac dd hg
7f5a41400000-7f5a41401000 rw-p 00000000 00:00 0
Size:                  4 kB
KernelPageSize:        4 kB
MMUPageSize:           4 kB
Rss:                   4 kB
VmFlags: rd wr mr mw me ac
`

test('each mapping contains its range, its name and its fields in bytes', () => {
  const [hugetlb, transparent, unnamed] = parseSmaps(smaps)
  expect(hugetlb).toMatchObject({
    start: 0x7f5a40000000n,
    end: 0x7f5a40800000n,
    name: '/memfd:pinfold:rx queue (deleted)',
  })
  expect(hugetlb?.fields.get('Private_Hugetlb')).toBe(6 * MiB)
  expect(hugetlb?.flags).toContain('ht')
  expect(transparent?.name).toBe('[anon:pinfold:tx]')
  expect(unnamed?.name).toBe('')
})

test('hugetlb pages are counted apart from resident ones', () => {
  expect(sumMappings(parseSmaps(smaps).slice(0, 1))).toEqual({
    mapped: 8 * MiB,
    resident: 0,
    hugetlbShared: 2 * MiB,
    hugetlbPrivate: 6 * MiB,
    transparent: 0,
    locked: 0,
    swap: 0,
    kernelPageSize: 2 * MiB,
    mmuPageSize: 2 * MiB,
    flags: ['rd', 'wr', 'sh', 'mr', 'mw', 'me', 'ms', 'dc', 'de', 'ht', 'dd'],
    name: '/memfd:pinfold:rx queue (deleted)',
  })
})

test('several mappings add up, and keep only the flags that they share', () => {
  expect(sumMappings(parseSmaps(smaps).slice(1))).toEqual({
    mapped: 4 * MiB + 4 * KiB,
    resident: 4 * MiB + 4 * KiB,
    hugetlbShared: 0,
    hugetlbPrivate: 0,
    transparent: 2 * MiB,
    locked: 4 * MiB,
    swap: 16 * KiB,
    kernelPageSize: 4 * KiB,
    mmuPageSize: 4 * KiB,
    flags: ['rd', 'wr', 'mr', 'mw', 'me', 'ac'],
    name: '[anon:pinfold:tx]',
  })
})

test('only the mappings that overlap a range are read, from its first byte to its last', () => {
  const starts = (from: bigint, to: bigint) => parseSmaps(smaps, from, to).map(({ start }) => start)
  expect(starts(0x7f5a40800000n, 0x7f5a41000000n)).toEqual([])
  expect(starts(0x7f5a407fffffn, 0x7f5a41000000n)).toEqual([0x7f5a40000000n])
  expect(starts(0x7f5a407fffffn, 0x7f5a41000001n)).toEqual([0x7f5a40000000n, 0x7f5a41000000n])
  const [, transparent] = parseSmaps(smaps)
  expect(parseSmaps(smaps, 0x7f5a41000000n, 0x7f5a41400000n)).toEqual([transparent])
})

test('maps contains the same first lines, and no fields', () => {
  const maps = '7f5a40000000-7f5a40800000 rw-s 00000000 00:10 2061                       /memfd:x (deleted)\n'
  expect(parseSmaps(maps)).toEqual([
    {
      start: 0x7f5a40000000n,
      end: 0x7f5a40800000n,
      permissions: 'rw-s',
      name: '/memfd:x (deleted)',
      fields: new Map(),
      flags: [],
    },
  ])
})

test('no mappings add up to zeros', () => {
  expect(sumMappings([])).toMatchObject({ mapped: 0, resident: 0, kernelPageSize: 0, flags: [], name: '' })
})

const numaMaps = `7f5a40000000 bind:0-1 file=/memfd:pinfold:rx\\040(deleted) huge dirty=4 N0=3 N1=1 kernelpagesize_kB=2048
7f5a41000000 default anon=1024 dirty=1024 active=0 N1=1024 kernelpagesize_kB=4
7ffe00000000 default
`

test('bytes by node add up over the wanted mappings, each with its own page size', () => {
  expect(parseNumaMaps(numaMaps, (start) => start === 0x7f5a40000000n)).toEqual({ 0: 6 * MiB, 1: 2 * MiB })
  expect(parseNumaMaps(numaMaps, () => true)).toEqual({ 0: 6 * MiB, 1: 6 * MiB })
  expect(parseNumaMaps(numaMaps, () => false)).toEqual({})
})
