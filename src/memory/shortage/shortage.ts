import { statfsSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, resolve } from 'node:path'
import { max, min, now } from '../../builtins.js'
import { PinfoldError, type SystemFailure, toPinfoldError } from '../../errors.js'
import { mostGrowth, readPool } from '../../hugepages/index.js'
import { native, pageKind } from '../../native.js'
import { MiB } from '../../sizes.js'
import {
  type CgroupLimit,
  countsHugetlbAsMemory,
  hugetlbLimits,
  memoryLimits,
  room as roomIn,
} from '../../system/cgroup.js'
import { formatIndexList } from '../../system/kernel-files.js'
import { allowedNodes, hasNuma, memoryNodes } from '../../system/numa.js'
import { capabilities, memlockLimit, processMemory } from '../../system/process-limits.js'
import { nodesText, pagesText, spaced } from '../../system/texts.js'
import { type Attempt, isLocked, pageCount } from '../allocate/attempt.js'
import { fileOf } from '../allocate/backing.js'
import { type Placement, strictNodes } from '../allocate/placement.js'
import { type PoolCounters, passedPoolShortage, poolShortage } from './hugepages.js'
import { type FreeMemory, freeMemory, mappingShortage, mapRoom, mapShortage, memoryShortage } from './memory.js'
import type { Shortage } from './reason.js'

const { EACCES, EFAULT, ENOMEM, ENOSPC, EPERM } = constants.errno

/**
 * Why the kernel refused memory, by its counters. The errno does not say why: an empty pool is ENOMEM from mmap, EFAULT
 * from madvise and ENOSPC from fallocate, and so are a cgroup's limits. Call it when the failed attempt is undone, so
 * that the counters are those that the next attempt would meet.
 *
 * @returns `ERR_HUGEPAGES_SHORT`, `ERR_CGROUP_LIMIT`, `ERR_MEMLOCK_LIMIT`, `ERR_MEMORY_SHORT`, `ERR_UNSUPPORTED` (a
 *   node without memory), `ERR_PERMISSION`, or `ERR_SYSTEM` when the counters show no reason
 */
export function explainShortage(failure: SystemFailure, attempt: Attempt): PinfoldError {
  const errno = Math.abs(failure.errno)
  const { syscall } = failure
  if (errno === EPERM || errno === EACCES) return toPinfoldError(failure, 'ERR_PERMISSION')
  const counted = failure.values?.maxMappings === undefined ? undefined : mappingShortage(failure.values)
  // A failure of mlock(2) means the limit: CAP_IPC_LOCK of a user namespace does not lift it.
  const lock = isLocked(attempt) && (syscall.startsWith('mlock') || !capabilities().has('CAP_IPC_LOCK'))
  const shortage =
    counted ??
    missingNodes(attempt) ??
    (lock ? memlockShortage(attempt) : undefined) ??
    tooLittle(attempt) ??
    (errno === ENOMEM || errno === EFAULT ? mapShortage(attempt, mapRoom(), errno) : undefined) ??
    passedShortage(errno, attempt)
  if (shortage === undefined) return toPinfoldError(failure)
  const { code, message, values, hint } = affordable(shortage, attempt)
  return new PinfoldError(message, { code, syscall, errno, values, hint, cause: failure })
}

/** Removes a hint that asks for more than the machine has: a higher limit gives no memory. */
function affordable(shortage: Shortage, attempt: Attempt): Shortage {
  if (shortage.code !== 'ERR_CGROUP_LIMIT' && shortage.code !== 'ERR_MEMLOCK_LIMIT') return shortage
  const ofMachine =
    attempt.choice.kind === pageKind.hugetlb
      ? poolShortage(attempt, poolCounters(attempt.choice.bytes))
      : memoryShortage(attempt, freeMemory(attempt.placement))
  if (ofMachine === undefined || ofMachine.hint !== undefined) return shortage
  return {
    ...shortage,
    message: `${shortage.message}; the machine is short too: ${ofMachine.message}`,
    hint: undefined,
  }
}

/** The kernel's counters of free memory, and the memory under way before they were read. */
interface Look {
  readonly at: number
  readonly underWay: number
  readonly announced: number
  readonly limits: readonly CgroupLimit[]
  readonly free: FreeMemory
}

/** A look takes up to 0.3 ms. So it serves for several small regions: for so many milliseconds, of up to so many bytes. */
const lookLasts = 10
const mostBesideLook = 4 * MiB
let lastLook: Look | undefined

function look(placement: Placement): Look {
  // Read first: memory that is populated meanwhile is then counted twice, instead of not at all.
  const [underWay, announced] = native.memoryUnderWay()
  return { at: now(), underWay, announced, limits: memoryLimits(), free: freeMemory(placement) }
}

/**
 * Checks whether there is enough memory now for base or transparent pages: the kernel answers their shortage by killing
 * a process, not by an errno. Memory that other threads are about to populate counts as used.
 *
 * @returns `mostAnnounced` of native.ts, for which this holds
 * @throws PinfoldError the shortage that the kernel would meet
 */
export function requireMemory(attempt: Attempt): number {
  const { size, placement } = attempt
  const isBound = strictNodes(placement) !== undefined
  if (!isBound && size <= mostBesideLook && lastLook !== undefined && now() - lastLook.at < lookLasts) {
    const most = mostAfter(lastLook, attempt)
    if (typeof most === 'number') return most
  }
  const latest = look(placement)
  if (!isBound) lastLook = latest
  const most = mostAfter(latest, attempt)
  if (typeof most === 'number') return most
  const { message, ...details } = affordable(most, attempt)
  throw new PinfoldError(message, details)
}

/** `mostAnnounced` by the counters of a look, or the shortage that they show. */
function mostAfter({ underWay: before, announced, limits, free }: Look, attempt: Attempt): number | Shortage {
  // The counters contain nothing of the memory that was announced since, whether it is populated by now or not.
  const [, announcedNow] = native.memoryUnderWay()
  const underWay = before + announcedNow - announced
  const lock = isLocked(attempt) && !capabilities().has('CAP_IPC_LOCK')
  const shortage =
    missingNodes(attempt) ??
    (lock ? memlockShortage(attempt) : undefined) ??
    cgroupShortage(attempt, limits, underWay) ??
    memoryShortage(attempt, free, underWay)
  if (shortage !== undefined) return shortage
  const room = min(free.available + free.swap, ...limits.slice(0, 1).map(roomIn))
  // At least what is announced now: with less, the caller would look and announce again without an end.
  return announcedNow + max(0, room - underWay - chargeOf(attempt))
}

/**
 * The charge to a cgroup. Memory other than hugetlb is also charged for page tables and for the file's index of pages.
 */
function chargeOf({ size, choice }: Attempt): number {
  return choice.kind === pageKind.hugetlb ? size : size + Math.ceil(size / 128)
}

/** The shortage of the machine or its cgroups, if there is one. */
function tooLittle(attempt: Attempt): Shortage | undefined {
  if (attempt.choice.kind !== pageKind.hugetlb) {
    const [underWay] = native.memoryUnderWay()
    return (
      cgroupShortage(attempt, memoryLimits(), underWay) ??
      memoryShortage(attempt, freeMemory(attempt.placement), underWay)
    )
  }
  return (
    mountShortage(attempt) ??
    poolShortage(attempt, poolCounters(attempt.choice.bytes)) ??
    cgroupShortage(attempt, hugetlbLimits(attempt.choice.bytes)) ??
    (countsHugetlbAsMemory() ? cgroupShortage(attempt, memoryLimits()) : undefined)
  )
}

function poolCounters(pageSize: number): PoolCounters {
  const nodes = hasNuma() ? memoryNodes().map((node) => readPool(pageSize, node)) : []
  return { machine: readPool(pageSize), nodes, allowedNodes: allowedNodes(), growth: mostGrowth }
}

/**
 * Only pools and hugetlb cgroups cause these errors: another process had the pages, and has freed them since, or there is
 * a limit that this process cannot see.
 */
function passedShortage(errno: number, attempt: Attempt): Shortage | undefined {
  const isShortage = errno === ENOMEM || errno === EFAULT || errno === ENOSPC
  if (!isShortage || attempt.choice.kind !== pageKind.hugetlb) return undefined
  return passedPoolShortage(attempt, poolCounters(attempt.choice.bytes))
}

/** The cgroup limit that forbids the attempt, if one does. `limits` begins with the tightest. */
export function cgroupShortage(attempt: Attempt, limits: readonly CgroupLimit[], underWay = 0): Shortage | undefined {
  const { size, choice } = attempt
  const [tightest] = limits
  if (tightest === undefined) return undefined
  const left = Math.max(0, roomIn(tightest) - underWay)
  const charge = chargeOf(attempt)
  if (left >= charge) return undefined
  const { path, file, limit, usage, reclaimable, kept } = tightest
  const what = choice.kind === pageKind.hugetlb ? pagesText(pageCount(attempt), choice.bytes) : spaced(size)
  const counted = [
    `${tightest.kind === 'high' ? 'memory.high' : 'limit'} ${spaced(limit)}`,
    `${spaced(usage)} in use`,
    ...(reclaimable > 0 ? [`${spaced(reclaimable)} of it reclaimable`] : []),
    ...(underWay > 0 ? [`${spaced(underWay)} under way`] : []),
    ...(kept > 0 ? [`${spaced(kept)} kept for other use`] : []),
  ]
  const limitText = tightest.kind === 'high' ? 'before it is throttled ' : ''
  // For other memory of the cgroup's processes; of a larger limit, more is kept for other use, too.
  const slack = choice.kind === pageKind.hugetlb ? 0 : 32 * MiB
  return {
    code: 'ERR_CGROUP_LIMIT',
    message: `${what} wanted, the cgroup ${path} allows ${spaced(left)} more ${limitText}(${counted.join(', ')})`,
    values: { wanted: size, available: left, limit, usage, reclaimable, underWay, kept, path, kind: tightest.kind },
    hint: `echo ${limit + charge - left + slack} | sudo tee ${file}`,
  }
}

/** The shortage under RLIMIT_MEMLOCK, if there is one. */
function memlockShortage({ size }: Attempt): Shortage | undefined {
  const { soft, hard } = memlockLimit()
  const { locked } = processMemory()
  const left = Math.max(0, soft - locked)
  const needed = locked + size
  if (size <= left) return undefined
  return {
    code: 'ERR_MEMLOCK_LIMIT',
    message: `cannot lock ${spaced(size)}: ${spaced(left)} more are allowed (RLIMIT_MEMLOCK ${spaced(soft)}, ${spaced(locked)} locked)`,
    values: { wanted: size, limit: soft, locked },
    // The process's own user may raise it up to the hard limit. The colon leaves the hard limit as it is.
    hint:
      needed <= hard
        ? `prlimit --pid ${process.pid} --memlock=${needed}:`
        : `sudo prlimit --pid ${process.pid} --memlock=${needed}`,
  }
}

/**
 * The shortage of a hugetlbfs mount that has a size of its own, if it is full. Most mounts have no size, and report 0
 * blocks. No command repairs it: the kernel does not resize such a mount (it accepts a remount and does nothing), and a
 * new mount has none of its files.
 */
function mountShortage(attempt: Attempt): Shortage | undefined {
  const path = fileOf(attempt.options)?.file
  if (path === undefined) return undefined
  const { size, choice } = attempt
  const mount = mountPointOf(path)
  const pages = pageCount(attempt)
  const { blocks, bavail, bsize } = statfsSync(mount)
  const available = bavail * bsize
  if (blocks === 0 || available >= size) return undefined
  return {
    code: 'ERR_HUGEPAGES_SHORT',
    message: `${pagesText(pages, choice.bytes)} wanted, the mount ${mount} has room for ${bavail} of its ${blocks}`,
    values: { pageSize: choice.bytes, wanted: pages, available: bavail, total: blocks, path },
  }
}

/** The directory on which the file system of a file is mounted. */
function mountPointOf(path: string): string {
  let directory = dirname(resolve(path))
  const { dev } = statSync(directory)
  while (directory !== '/' && statSync(dirname(directory)).dev === dev) directory = dirname(directory)
  return directory
}

/** The shortage of a placement that names only nodes from which this process gets no memory. */
function missingNodes({ placement: { nodes } }: Attempt): Shortage | undefined {
  if (nodes.length === 0) return undefined
  const [withMemory, allowed] = [memoryNodes(), allowedNodes()]
  const missing = nodes.filter((node) => !withMemory.includes(node) || !allowed.includes(node))
  // The kernel skips nodes that do not exist, unless no other node is left.
  if (missing.length < nodes.length) return undefined
  return {
    code: 'ERR_UNSUPPORTED',
    message: `memory wanted${nodesText(formatIndexList(missing))}; nodes with memory: ${formatIndexList(withMemory)}, this process may use ${formatIndexList(allowed)}`,
    values: { nodes, memoryNodes: withMemory, allowedNodes: allowed },
  }
}
