import { describe, expect, test } from 'vitest'
import { mountOptions } from '../../src/cli/hugepages/mount.js'
import { hugetlbMounts, parseMounts } from '../../src/cli/hugepages/mounts.js'
import { quoteWords } from '../../src/cli/shell-command.js'
import { GiB, MiB } from '../../src/sizes.js'

const lines = [
  '22 1 254:1 / / rw,relatime - ext4 /dev/root rw',
  '42 27 0:39 / /mnt/huge rw,relatime shared:1 - hugetlbfs none rw,mode=750,pagesize=2M,size=4194304,min_size=2097152',
  '43 27 0:40 / /dev/hugepages1G rw,relatime - hugetlbfs hugetlbfs rw,pagesize=1024M',
  '44 27 0:41 / /mnt/old rw,relatime - hugetlbfs none rw',
  '45 27 0:42 / /mnt/a\\040b\\134c rw - hugetlbfs none rw,pagesize=2M',
  '46 27 0:43 / /mnt/hidden rw - hugetlbfs none rw,pagesize=2M',
  '47 46 0:44 / /mnt/hidden rw - tmpfs tmpfs rw',
  '',
].join('\n')

describe('hugetlbfs mounts in mountinfo', () => {
  const mounts = hugetlbMounts(parseMounts(lines), 2 * MiB)

  test('are found if they can be reached', () => {
    expect(mounts.map(({ path }) => path)).toEqual(['/mnt/huge', '/dev/hugepages1G', '/mnt/old', '/mnt/a b\\c'])
  })

  test('are read with page size and limits in bytes', () => {
    expect(mounts[0]).toEqual({ path: '/mnt/huge', pageSize: 2 * MiB, size: 4 * MiB, minSize: 2 * MiB })
    expect(mounts[1]).toEqual({ path: '/dev/hugepages1G', pageSize: GiB, size: undefined, minSize: undefined })
  })

  test('without a page size use the default size', () => {
    expect(mounts[2]?.pageSize).toBe(2 * MiB)
  })
})

test('the values of mount options are numbers, so that no value can begin another option', () => {
  const wanted = { pageSize: 2 * MiB, size: GiB, minSize: undefined, mode: 0o1770, owner: { uid: 7, gid: undefined } }
  expect(mountOptions(wanted)).toBe('pagesize=2097152,size=1073741824,mode=01770,uid=7')
})

test('words are quoted for a shell', () => {
  expect(quoteWords(['mount', '--', "/mnt/it's $(here)", '/mnt/huge'])).toBe(
    "mount -- '/mnt/it'\\''s $(here)' /mnt/huge",
  )
})
