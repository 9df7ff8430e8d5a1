import { readFileSync } from 'node:fs'
import { MiB } from '../sizes.js'
import { readKernelFile, readKernelNumber } from './kernel-files.js'

// The limits of the control groups that this process is in, versions 1 and 2, with those of all their ancestors: the
// tightest anywhere on the way up counts. Sources: cgroups(7), Documentation/admin-guide/cgroup-v1/hugetlb.rst and
// memory.rst, Documentation/admin-guide/cgroup-v2.rst.

/** A limit that one cgroup sets. Bytes. */
export interface CgroupLimit {
  /** The directory of the cgroup that sets it. */
  readonly path: string
  /** The file in it that holds the limit. */
  readonly file: string
  readonly limit: number
  /** In use now by all processes of that cgroup and of those below it. */
  readonly usage: number
  /**
   * 'usage' counts pages from the first touch on, 'rsvd' (hugetlb only) from mmap on. They fail differently, the first
   * by a fault (EFAULT, or SIGBUS; of other memory than hugetlb, the kernel kills), the second by mmap (ENOMEM). 'high'
   * (memory of version 2 only) does not fail: beyond it, the kernel makes the cgroup's processes wait for memory to be
   * reclaimed, and regions are not.
   */
  readonly kind: 'usage' | 'rsvd' | 'high'
  /** Of `usage`, what the kernel can drop: file pages. 0 for hugetlb. */
  readonly reclaimable: number
  /**
   * Bytes of the limit that regions do not use, since JavaScript and the kernel need memory meanwhile. 0 if exceeding the
   * limit kills no process.
   */
  readonly kept: number
}

/** One line of /proc/PID/cgroup: the group that a process is in, by hierarchy. */
export interface Membership {
  /** Controllers of a version 1 hierarchy; none for version 2. */
  readonly controllers: readonly string[]
  readonly path: string
}

/** A mounted cgroup hierarchy. */
export interface CgroupMount {
  readonly version: 1 | 2
  /** The directory of the hierarchy that is mounted, '/' unless it is a part (a bind mount in a container). */
  readonly root: string
  readonly mountPoint: string
  /** Of version 1 its controllers, among other options. */
  readonly options: readonly string[]
}

/**
 * The limits on hugepages of one size, those with the least room first. None where no cgroup limits them, or where no
 * hugetlb controller is mounted. Limits of cgroups outside this process's cgroup namespace cannot be seen.
 */
export function hugetlbLimits(pageSize: number): CgroupLimit[] {
  const prefix = `hugetlb.${sizeName(pageSize)}`
  return limitsOf('hugetlb', (version, directory) =>
    version === 1
      ? [
          readLimit(directory, `${prefix}.limit_in_bytes`, `${prefix}.usage_in_bytes`, 'usage'),
          readLimit(directory, `${prefix}.rsvd.limit_in_bytes`, `${prefix}.rsvd.usage_in_bytes`, 'rsvd'),
        ]
      : [
          readLimit(directory, `${prefix}.max`, `${prefix}.current`, 'usage'),
          readLimit(directory, `${prefix}.rsvd.max`, `${prefix}.rsvd.current`, 'rsvd'),
        ],
  )
}

/** The limits on memory (of hugetlb pages only with the mount option that `countsHugetlbAsMemory` tells), tightest first. */
export function memoryLimits(): CgroupLimit[] {
  return limitsOf('memory', (version, directory) => {
    const found =
      version === 1
        ? [readLimit(directory, 'memory.limit_in_bytes', 'memory.usage_in_bytes', 'usage')]
        : [
            readLimit(directory, 'memory.max', 'memory.current', 'usage'),
            readLimit(directory, 'memory.high', 'memory.current', 'high'),
          ]
    if (found.every((limit) => limit === undefined)) return []
    const stat = readKernelFile(`${directory}/memory.stat`) ?? ''
    const prefix = version === 1 ? 'total_' : ''
    const reclaimable = parseStat(stat, `${prefix}active_file`) + parseStat(stat, `${prefix}inactive_file`)
    return found.map((limit) => limit && { ...limit, reclaimable, kept: keptOf(limit) })
  })
}

/** A sixteenth, but 4 to 32 MiB: V8 takes its young generation at once, and may be at work on several threads. */
function keptOf({ kind, limit }: CgroupLimit): number {
  return kind === 'high' ? 0 : Math.min(Math.max(Math.floor(limit / 16), 4 * MiB), 32 * MiB)
}

/** Whether hugetlb pages count against memory limits: the cgroup2 mount option memory_hugetlb_accounting (Linux 6.7). */
export function countsHugetlbAsMemory(): boolean {
  return readMounts().some(({ version, options }) => version === 2 && options.includes('memory_hugetlb_accounting'))
}

/** How many bytes more a limit allows to regions. */
export function room({ limit, usage, reclaimable, kept }: CgroupLimit): number {
  return Math.max(0, limit - kept - Math.max(0, usage - reclaimable))
}

/** The directories of this process's cgroup and its ancestors in the hierarchy that has `controller`, own first. */
export function cgroupDirectories(
  controller: string,
  memberships: readonly Membership[],
  mounts: readonly CgroupMount[],
): { version: 1 | 2; directory: string }[] {
  // A controller is in one hierarchy at a time: that of version 1 which names it, else the unified one.
  const own = memberships.find(({ controllers }) => controllers.includes(controller))
  const version = own === undefined ? 2 : 1
  const membership = own ?? memberships.find(({ controllers }) => controllers.length === 0)
  const mount = mounts.find(
    (mount) => mount.version === version && (version === 2 || mount.options.includes(controller)),
  )
  if (membership === undefined || mount === undefined) return []
  const below = pathBelow(mount.root, membership.path)
  if (below === undefined) return []
  const directories = [{ version, directory: mount.mountPoint } as const]
  let directory = mount.mountPoint
  for (const name of below.split('/').filter((part) => part !== '')) {
    directory = `${directory}/${name}`
    directories.unshift({ version, directory })
  }
  return directories
}

/** Lines as '4:memory:/a/b' and, for version 2, '0::/a/b'. */
export function parseMemberships(text: string): Membership[] {
  return text
    .split('\n')
    .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, controllers = '', path = '/']) => ({
      controllers: controllers.split(',').filter((one) => one !== ''),
      path,
    }))
}

/** The cgroup hierarchies among the lines of /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
export function parseCgroupMounts(text: string): CgroupMount[] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ')
    const [, , , root = '/', mountPoint = ''] = left.split(' ')
    const [type, , options = ''] = right.split(' ')
    if (type !== 'cgroup' && type !== 'cgroup2') return []
    const version = type === 'cgroup' ? 1 : 2
    return [{ version, root: unescapeOctal(root), mountPoint: unescapeOctal(mountPoint), options: options.split(',') }]
  })
}

/** The controller's name of a page size: '64KB', '2MB', '1GB' (mm/hugetlb_cgroup.c, mem_fmt). */
export function sizeName(pageSize: number): string {
  if (pageSize >= 1024 * MiB) return `${pageSize / (1024 * MiB)}GB`
  return pageSize >= MiB ? `${pageSize / MiB}MB` : `${pageSize / 1024}KB`
}

function limitsOf(
  controller: string,
  read: (version: 1 | 2, directory: string) => (CgroupLimit | undefined)[],
): CgroupLimit[] {
  const memberships = parseMemberships(readKernelFile('/proc/self/cgroup') ?? '')
  return cgroupDirectories(controller, memberships, readMounts())
    .flatMap(({ version, directory }) => read(version, directory))
    .filter((limit) => limit !== undefined)
    .sort((one, other) => room(one) - room(other))
}

function readMounts(): CgroupMount[] {
  return parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'))
}

/** undefined where there is no limit: no such file (the root has none), 'max', or version 1's largest number. */
function readLimit(
  directory: string,
  limitFile: string,
  usageFile: string,
  kind: CgroupLimit['kind'],
): CgroupLimit | undefined {
  const file = `${directory}/${limitFile}`
  const limit = readKernelNumber(file)
  if (limit === undefined || limit >= 2 ** 62) return undefined
  return {
    path: directory,
    file,
    limit,
    usage: readKernelNumber(`${directory}/${usageFile}`) ?? 0,
    kind,
    reclaimable: 0,
    kept: 0,
  }
}

function parseStat(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
}

/** The part of `path` under the mounted `root`; undefined when it lies elsewhere, out of our sight. */
function pathBelow(root: string, path: string): string | undefined {
  // Above our cgroup namespace: '/../..'.
  if (path.includes('/..')) return undefined
  if (root === '/') return path
  if (path === root) return ''
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined
}

/** Spaces and the like stand as octal numbers in mountinfo. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
