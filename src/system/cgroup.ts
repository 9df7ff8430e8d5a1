import { readFileSync } from 'node:fs'
import { MiB } from '../sizes.js'
import { readKernelFile, readKernelNumber } from './kernel-files.js'

// The limits of the control groups of this process, versions 1 and 2, and of all their ancestors. The tightest of these
// limits counts. Sources: cgroups(7), Documentation/admin-guide/cgroup-v1/hugetlb.rst and memory.rst,
// Documentation/admin-guide/cgroup-v2.rst.

/** A limit that one cgroup sets, in bytes. */
export interface CgroupLimit {
  /** The directory of the cgroup that sets it. */
  readonly path: string
  /** The file that contains the limit. */
  readonly file: string
  readonly limit: number
  /** Bytes in use now by all processes of that cgroup and of the cgroups below it. */
  readonly usage: number
  /**
   * - 'usage' counts pages from the first touch on. Beyond it, a fault on hugetlb pages fails (EFAULT, or SIGBUS). For
   *   other memory, the kernel kills a process.
   * - 'rsvd' (hugetlb only) counts pages from mmap on. Beyond it, mmap fails (ENOMEM).
   * - 'high' (memory of version 2 only) does not fail. Beyond it, the kernel makes the cgroup's processes wait until
   *   memory is reclaimed, and memory of regions is not reclaimed.
   */
  readonly kind: 'usage' | 'rsvd' | 'high'
  /** The part of `usage` that the kernel can drop: file pages. 0 for hugetlb. */
  readonly reclaimable: number
  /**
   * Bytes of the limit that regions leave free, since JavaScript and the kernel need memory, too. 0 if the kernel kills
   * no process beyond the limit.
   */
  readonly kept: number
}

/** A line of /proc/PID/cgroup: the cgroup of a process in one hierarchy. */
export interface Membership {
  /** Controllers of a version 1 hierarchy; none for version 2. */
  readonly controllers: readonly string[]
  readonly path: string
}

/** A mounted cgroup hierarchy. */
export interface CgroupMount {
  readonly version: 1 | 2
  /** The mounted directory of the hierarchy: '/', unless only a part is mounted (a bind mount in a container). */
  readonly root: string
  readonly mountPoint: string
  /** The mount options. In version 1 they include the controllers. */
  readonly options: readonly string[]
}

/**
 * The limits on hugepages of one size, those with the least room first. The list is empty if no cgroup limits them, or
 * if no hugetlb controller is mounted. Limits of cgroups outside this process's cgroup namespace cannot be seen.
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

/**
 * The limits on memory, those with the least room first. They count hugetlb pages only if `countsHugetlbAsMemory` is
 * true.
 */
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

/** A sixteenth, but 4 to 32 MiB: V8 allocates its young generation at once, and may run on several threads. */
function keptOf({ kind, limit }: CgroupLimit): number {
  return kind === 'high' ? 0 : Math.min(Math.max(Math.floor(limit / 16), 4 * MiB), 32 * MiB)
}

/** Whether memory limits count hugetlb pages: the cgroup2 mount option memory_hugetlb_accounting (Linux 6.7). */
export function countsHugetlbAsMemory(): boolean {
  return readMounts().some(({ version, options }) => version === 2 && options.includes('memory_hugetlb_accounting'))
}

/** The bytes that regions may still take under a limit. */
export function room({ limit, usage, reclaimable, kept }: CgroupLimit): number {
  return Math.max(0, limit - kept - Math.max(0, usage - reclaimable))
}

/** The directories of this process's cgroup and its ancestors in the hierarchy of `controller`, the own one first. */
export function cgroupDirectories(
  controller: string,
  memberships: readonly Membership[],
  mounts: readonly CgroupMount[],
): { version: 1 | 2; directory: string }[] {
  // A controller is in one hierarchy at a time: the version 1 hierarchy that names it, or else that of version 2.
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

/** Parses lines such as '4:memory:/a/b' and, for version 2, '0::/a/b'. */
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

/** The hugetlb controller's name of a page size: '64KB', '2MB', '1GB' (mm/hugetlb_cgroup.c, mem_fmt). */
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

/** Undefined if there is no limit: no such file (as in the root cgroup), 'max', or version 1's largest number. */
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

/** The part of `path` under the mounted `root`; undefined if `path` lies elsewhere, where we cannot see it. */
function pathBelow(root: string, path: string): string | undefined {
  // A path such as '/../..' lies above our cgroup namespace.
  if (path.includes('/..')) return undefined
  if (root === '/') return path
  if (path === root) return ''
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined
}

/** mountinfo writes spaces and some other characters as octal numbers. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
