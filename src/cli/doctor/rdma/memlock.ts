import { formatSize, GiB } from '../../../sizes.js'
import { capabilities, memlockLimit, processMemory } from '../../../system/process-limits.js'
import { sudo } from '../../shell-command.js'
import { type Finding, finding, finiteOrNull } from '../finding.js'
import { kernelDevices } from './sysfs.js'

/** Programs that register memory seldom register less than this. */
const usual = GiB

/**
 * Checks how much memory this user may register. The kernel counts pinned pages, hugetlb pages too, against
 * RLIMIT_MEMLOCK.
 */
export function examineMemlock(): Finding {
  const { soft, hard } = memlockLimit()
  const { pinned } = processMemory()
  const isExempt = capabilities().has('CAP_IPC_LOCK')
  const values = { limit: finiteOrNull(soft), hard: finiteOrNull(hard), pinned, exempt: isExempt }
  if (isExempt) return finding('rdma.memlock', 'ok', 'no limit on registering: CAP_IPC_LOCK', { values })
  if (soft === Infinity) return finding('rdma.memlock', 'ok', 'no limit on registering', { values })
  const seen = `${formatSize(soft)} can be registered (RLIMIT_MEMLOCK), including hugetlb pages`
  if (soft >= usual) return finding('rdma.memlock', 'ok', seen, { values })
  const mend = hard === Infinity ? 'ulimit -l unlimited' : `${sudo}prlimit --pid $$ --memlock=unlimited:unlimited`
  return finding('rdma.memlock', kernelDevices().length > 0 ? 'warn' : 'info', seen, { values, mend })
}
