import { type HugepagePool, mostGrowth, poolDirectory, readPools } from '../../hugepages/index.js'
import { formatSize, KiB, MiB } from '../../sizes.js'
import { defaultHugepageSize } from '../hugepages/default-size.js'
import { readHugetlbMounts } from '../hugepages/mounts.js'
import { formatCount, formatCounted } from '../output.js'
import { sudo, writeCommand } from '../shell-command.js'
import { type Finding, finding } from './finding.js'

/**
 * The memory that a suggested command reserves if no pages are available: enough for the demo and a first program, and
 * little for a machine.
 */
const firstReservation = 128 * MiB

/** Checks the hugepage pools by size and node, and the hugetlbfs mounts. */
export function* examineHugepages(): Iterable<Finding> {
  const pools = readPools()
  const wholes = pools.filter(({ node }) => node === undefined)
  if (wholes.length === 0) {
    yield finding('hugepages.pools', 'warn', 'this kernel has no hugetlb pages (CONFIG_HUGETLBFS)', { values: {} })
    return
  }
  const nothingFree = wholes.every((pool) => available(pool) === 0)
  for (const pool of wholes) {
    const nodes = pools.filter(({ pageSize, node }) => pageSize === pool.pageSize && node !== undefined)
    yield examinePool(pool, nodes, nothingFree && pool.pageSize === defaultHugepageSize())
    // A single node's pool is the same as the machine's. With several nodes, a program that is bound to one of them
    // needs the pool of that node.
    if (nodes.length > 1) yield* nodes.map((node) => examineNodePool(node, available(pool) > 0))
  }
  yield examineMounts()
}

/**
 * The pages that a new mapping can get: free pages that are not promised to another mapping, and pages that can be made
 * on demand.
 */
function available({ free, reserved = 0, overcommit = 0, surplus }: HugepagePool): number {
  return free - reserved + Math.max(0, overcommit - surplus)
}

function examinePool(pool: HugepagePool, nodes: readonly HugepagePool[], isWanted: boolean): Finding {
  const { pageSize, total, free, reserved = 0, surplus, overcommit = 0 } = pool
  const id = `hugepages.pool.${formatSize(pageSize)}`
  const values = { pageSize, total, free, reserved, surplus, overcommit, nodes: nodes.map(nodeValues) }
  const notes = [
    reserved > 0 ? `${formatCount(reserved)} of them promised` : '',
    surplus > 0 ? `${formatCount(surplus)} surplus` : '',
    overcommit > 0 ? `up to ${formatCount(overcommit)} more on demand` : '',
  ].filter((note) => note !== '')
  const counts = total === 0 ? 'no pages' : `${formatCounted(total, 'page')}, ${formatCount(free)} free`
  const only = nodes.length === 1 && total > 0 ? [`all on node ${nodes[0]?.node}`] : []
  const seen = [counts, ...only, ...notes].join(', ')
  if (available(pool) > 0) return finding(id, 'ok', seen, { values })
  return finding(id, isWanted ? 'warn' : 'info', seen, { mend: growthCommand(pool), values })
}

/** The command for a first reservation; undefined if there is not enough memory. */
function growthCommand(pool: HugepagePool): string | undefined {
  const { pageSize, node, total } = pool
  const more = Math.max(1, Math.floor(firstReservation / pageSize))
  return more <= mostGrowth(pool)
    ? writeCommand(`${poolDirectory(pageSize, node)}/nr_hugepages`, total + more)
    : undefined
}

/** @param isElsewhere whether another node has available pages. If none has, the machine's finding has the command. */
function examineNodePool(pool: HugepagePool, isElsewhere: boolean): Finding {
  const { pageSize, node, total, free, surplus } = pool
  const seen = total === 0 ? 'no pages' : `${formatCounted(total, 'page')}, ${formatCount(free)} free`
  const id = `hugepages.pool.${formatSize(pageSize)}.node${node}`
  const values = { pageSize, node, total, free, surplus }
  if (free > 0) return finding(id, 'ok', seen, { values })
  return finding(id, 'info', seen, { mend: isElsewhere ? growthCommand(pool) : undefined, values })
}

function nodeValues({ node, total, free, surplus }: HugepagePool): object {
  return { node, total, free, surplus }
}

function examineMounts(): Finding {
  const mounts = readHugetlbMounts()
  const values = { mounts: mounts.map(({ path, pageSize, size }) => ({ path, pageSize, size })) }
  if (mounts.length > 0) {
    const seen = mounts.map(({ path, pageSize }) => `${path} (${formatSize(pageSize)})`)
    return finding('hugepages.mounts', 'ok', seen.join(', '), { values })
  }
  const pageSize = defaultHugepageSize()
  return finding('hugepages.mounts', 'info', 'no hugetlbfs is mounted: pinfold needs none, DPDK needs one by default', {
    mend:
      pageSize === undefined
        ? undefined
        : `${sudo}mount -m -t hugetlbfs -o pagesize=${pageSize / KiB}K hugetlbfs /dev/hugepages`,
    values,
  })
}
