import { totalmem } from 'node:os'
import { formatSize, MiB } from '../../sizes.js'
import { type CgroupLimit, countsHugetlbAsMemory, hugetlbLimits, memoryLimits, room } from '../../system/cgroup.js'
import { hugetlbPageSizes } from '../../system/page-sizes.js'
import { capabilities, memlockLimit, processMemory } from '../../system/process-limits.js'
import { sudo, writeCommand } from '../shell-command.js'
import { type Finding, finding, finiteOrNull } from './finding.js'

/** If a limit leaves less than this, the finding is a warning: a region of the demo's size would not fit. */
const enough = 64 * MiB

/** Checks the limits on this process and on its cgroups. A program that is started from here inherits them. */
export function* examineLimits(): Iterable<Finding> {
  yield examineMemlock()
  const pageSizes = hugetlbPageSizes()
  for (const pageSize of pageSizes) yield examineHugetlbLimits(pageSize)
  yield examineMemoryLimits()
}

/**
 * Checks RLIMIT_MEMLOCK. Memory that is locked by mlock or registered with RDMA devices counts against it. Hugetlb
 * pages count only when they are registered.
 */
function examineMemlock(): Finding {
  const { soft, hard } = memlockLimit()
  const { locked, pinned } = processMemory()
  const isExempt = capabilities().has('CAP_IPC_LOCK')
  const values = { soft: finiteOrNull(soft), hard: finiteOrNull(hard), locked, pinned, exempt: isExempt }
  const seen = `RLIMIT_MEMLOCK ${formatLimit(soft)}${hard === soft ? '' : `, at most ${formatLimit(hard)}`}`
  if (isExempt && soft !== Number.POSITIVE_INFINITY) {
    return finding('limits.memlock', 'ok', `${seen}; CAP_IPC_LOCK makes this process exempt`, { values })
  }
  if (soft - locked >= enough) return finding('limits.memlock', 'ok', seen, { values })
  const mend = hard >= enough ? `ulimit -l ${hard === Infinity ? 'unlimited' : hard / 1024}` : prlimitCommand()
  return finding('limits.memlock', 'warn', `${seen}: mlock and RDMA registration stop there`, { mend, values })
}

/** The command raises the limit of the shell that it is typed into, and so of the programs that this shell starts. */
function prlimitCommand(): string {
  return `${sudo}prlimit --pid $$ --memlock=unlimited:unlimited`
}

function formatLimit(bytes: number): string {
  return Number.isFinite(bytes) ? formatSize(bytes) : 'unlimited'
}

function examineHugetlbLimits(pageSize: number): Finding {
  return examineCgroup(
    `limits.cgroup.hugetlb.${formatSize(pageSize)}`,
    hugetlbLimits(pageSize),
    Math.max(pageSize, enough),
  )
}

function examineMemoryLimits(): Finding {
  const found = examineCgroup('limits.cgroup.memory', memoryLimits(), enough)
  if (!countsHugetlbAsMemory()) return found
  return { ...found, seen: `${found.seen}; hugetlb pages count too (memory_hugetlb_accounting)` }
}

/**
 * Checks the tightest limit of this process's cgroup and its ancestors. The finding is a warning if less than `wanted`
 * is left.
 */
function examineCgroup(id: string, limits: readonly CgroupLimit[], wanted: number): Finding {
  const values = {
    limits: limits.map(({ path, limit, usage, kind }) => ({ path, limit, usage, kind })),
  }
  const [tightest] = limits
  if (tightest === undefined) return finding(id, 'ok', 'no limit', { values })
  const { file, limit, usage } = tightest
  const seen = `${formatSize(usage)} of ${formatSize(limit)} used (limit in ${file})`
  if (room(tightest) >= wanted) return finding(id, 'ok', seen, { values })
  const most = Math.max(2 * limit, usage + enough)
  // A limit above the memory of the machine would promise memory that does not exist.
  const mend = writeCommand(file, Math.max(usage + enough, Math.min(most, totalmem())))
  return finding(id, 'warn', seen, { mend, values })
}
