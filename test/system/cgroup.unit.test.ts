import { expect, test } from 'vitest'
import { GiB, KiB, MiB } from '../../src/sizes.js'
import { cgroupDirectories, parseCgroupMounts, parseMemberships, room, sizeName } from '../../src/system/cgroup.js'

// Recorded on a machine with both versions.
const hybridCgroup = `11:hugetlb:/jobs/one
4:memory:/process_api/032b
1:name=systemd:/
0::/user.slice
`
const hybridMounts = `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
42 27 0:39 / /sys/fs/cgroup/huge\\040pages rw,relatime shared:9 - cgroup none rw,hugetlb
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate,memory_hugetlb_accounting
`

function directories(controller: string, cgroup: string, mounts: string) {
  return cgroupDirectories(controller, parseMemberships(cgroup), parseCgroupMounts(mounts))
}

test('the way up goes through every ancestor to the root of the hierarchy, and mount points may have spaces', () => {
  expect(directories('hugetlb', hybridCgroup, hybridMounts)).toEqual([
    { version: 1, directory: '/sys/fs/cgroup/huge pages/jobs/one' },
    { version: 1, directory: '/sys/fs/cgroup/huge pages/jobs' },
    { version: 1, directory: '/sys/fs/cgroup/huge pages' },
  ])
})

test('a controller that no hierarchy of version 1 owns belongs to the unified hierarchy', () => {
  expect(directories('hugetlb', '4:memory:/\n0::/a/b\n', hybridMounts)).toEqual([
    { version: 2, directory: '/sys/fs/cgroup/unified/a/b' },
    { version: 2, directory: '/sys/fs/cgroup/unified/a' },
    { version: 2, directory: '/sys/fs/cgroup/unified' },
  ])
})

test('a container that sees its own part of a hierarchy is at the root of this part', () => {
  const mounts = '35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,relatime master:9 - cgroup cgroup rw,memory\n'
  expect(directories('memory', '4:memory:/docker/abc\n', mounts)).toEqual([
    { version: 1, directory: '/sys/fs/cgroup/memory' },
  ])
  expect(directories('memory', '4:memory:/docker/abc/job\n', mounts)).toEqual([
    { version: 1, directory: '/sys/fs/cgroup/memory/job' },
    { version: 1, directory: '/sys/fs/cgroup/memory' },
  ])
})

test.each([
  ['lies in another part of the hierarchy', '4:memory:/docker/abcdef\n', '/docker/abc'],
  ['lies outside of the cgroup namespace', '4:memory:/../other\n', '/'],
  ['has no mounted hierarchy', '4:pids:/a\n', '/'],
])('a cgroup that %s cannot be seen', (_, cgroup, root) => {
  const mounts = `35 31 0:32 ${root} /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n`
  expect(directories('memory', cgroup, mounts)).toEqual([])
})

test('mount options are kept, since they say whether hugetlb pages count as memory', () => {
  const [unified] = parseCgroupMounts(hybridMounts).filter(({ version }) => version === 2)
  expect(unified?.options).toContain('memory_hugetlb_accounting')
})

test('page sizes are named as in the hugetlb controller', () => {
  expect([64 * KiB, 2 * MiB, 512 * MiB, GiB, 16 * GiB].map(sizeName)).toEqual(['64KB', '2MB', '512MB', '1GB', '16GB'])
})

test('file pages count as room, and a limit below its usage leaves no room', () => {
  const limit = { path: '', file: '', kind: 'usage', kept: 0 } as const
  expect(room({ ...limit, limit: 100, usage: 80, reclaimable: 30 })).toBe(50)
  expect(room({ ...limit, limit: 100, usage: 80, reclaimable: 90 })).toBe(100)
  expect(room({ ...limit, limit: 100, usage: 180, reclaimable: 0 })).toBe(0)
  expect(room({ ...limit, limit: 100, usage: 50, reclaimable: 0, kept: 20 })).toBe(30)
})
