import { statfsSync, statSync } from 'node:fs'
import { GiB, KiB, MiB } from '../../sizes.js'
import { readKernelFile } from '../../system/kernel-files.js'
import { defaultHugepageSize } from './default-size.js'

/** One line of mountinfo: the path of a mount, and the type and the options of its file system. */
export interface Mount {
  readonly path: string
  readonly type: string
  readonly options: ReadonlyMap<string, string>
}

/** A mounted hugetlbfs. Sizes are bytes. */
export interface HugetlbMount {
  readonly path: string
  readonly pageSize: number
  /** The most bytes that all its files may hold together; undefined if only the pool limits it. */
  readonly size: number | undefined
  /** Bytes of the pool that the mount keeps reserved from its beginning; undefined if none. */
  readonly minSize: number | undefined
}

/** The state of a hugetlbfs, from its root directory. */
export interface MountState {
  /** Permission bits, as chmod(1) writes them: '0755'. */
  readonly mode: string
  readonly uid: number
  readonly gid: number
  /**
   * Bytes that its files may still take; undefined if the mount has no limit, since the kernel then tells no number.
   */
  readonly free: number | undefined
}

/** The hugetlbfs mounts that can be reached by their path, in this process's mount namespace. */
export function readHugetlbMounts(): HugetlbMount[] {
  return hugetlbMounts(readMounts(), defaultHugepageSize())
}

/** Every mount that is not hidden by a later mount on the same path. */
export function readMounts(): Mount[] {
  return parseMounts(readKernelFile('/proc/self/mountinfo') ?? '')
}

/** The hugetlbfs mounts among `mounts`. If the options of a mount name no page size, it has the default size. */
export function hugetlbMounts(mounts: readonly Mount[], defaultSize: number | undefined): HugetlbMount[] {
  const bytes = (text: string | undefined) => (text === undefined ? undefined : Number(text))
  return mounts
    .filter(({ type }) => type === 'hugetlbfs')
    .map(({ path, options }) => ({
      path,
      pageSize: parsePageSize(options.get('pagesize')) ?? defaultSize ?? 0,
      size: bytes(options.get('size')),
      minSize: bytes(options.get('min_size')),
    }))
}

/**
 * The mounts of mountinfo text. Source: proc_pid_mountinfo(5). A line is
 * '42 27 0:39 / /mnt/huge rw,relatime shared:1 - hugetlbfs none rw,mode=750,pagesize=2M,size=4194304'.
 */
export function parseMounts(mountinfo: string): Mount[] {
  const onTop = new Map<string, Mount>()
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    const [type, , options = ''] = after.split(' ')
    const escaped = before.split(' ')[4]
    if (type === undefined || escaped === undefined) continue
    const path = unescapePath(escaped)
    const pairs = options.split(',').map((option): [string, string] => {
      const [name = '', value = ''] = option.split('=')
      return [name, value]
    })
    // A later line is a later mount, and hides an earlier mount on the same path.
    onTop.set(path, { path, type, options: new Map(pairs) })
  }
  return [...onTop.values()]
}

const units: ReadonlyMap<string, number> = new Map([
  ['K', KiB],
  ['M', MiB],
  ['G', GiB],
])

/** '2M', '1024M' or '64K', as the kernel shows it (fs/hugetlbfs/inode.c, hugetlbfs_show_options). */
function parsePageSize(text: string | undefined): number | undefined {
  const [, count, unit = ''] = /^(\d+)([KMG]?)$/.exec(text ?? '') ?? []
  return count === undefined ? undefined : Number(count) * (units.get(unit) ?? 1)
}

/** The kernel writes space, tab, newline and backslash of a path as three octal digits. */
function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)))
}

/** The state of a mount; undefined if the mount is gone by now, or is below a folder that this user may not enter. */
export function readMountState({ path, size }: HugetlbMount): MountState | undefined {
  try {
    const { mode, uid, gid } = statSync(path)
    const { bsize, bfree } = statfsSync(path)
    const free = size === undefined ? undefined : bsize * bfree
    return { mode: `0${(mode & 0o7777).toString(8)}`, uid, gid, free }
  } catch {
    // The caller still reports the mount, since mountinfo lists it.
    return undefined
  }
}
