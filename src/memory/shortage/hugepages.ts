import { type HugepagePool, poolDirectory } from '../../hugepages/index.js'
import { formatIndexList } from '../../system/kernel-files.js'
import { nodesText, pagesText } from '../../system/texts.js'
import { type Attempt, pageCount } from '../allocate/attempt.js'
import { type Placement, strictNodes } from '../allocate/placement.js'
import type { Shortage } from './reason.js'

/** The kernel's counters of the pools of one page size. */
export interface PoolCounters {
  readonly machine: HugepagePool
  /** The pool of each node with memory; empty on a kernel without NUMA. */
  readonly nodes: readonly HugepagePool[]
  /** The nodes from which the cpuset of this process allows pages. */
  readonly allowedNodes: readonly number[]
  /** An upper bound of the pages that a pool could gain. */
  readonly growth: (pool: HugepagePool) => number
}

/** How many pages a mapping could get now, and where. */
export interface PoolRoom {
  /** Pages on the nodes that count that are neither used nor promised, and those that overcommit would add. */
  readonly available: number
  /** The nodes that count, where a strict policy or the cpuset names some; undefined: the machine as a whole. */
  readonly nodes: readonly number[] | undefined
}

/**
 * The pages that a placement can get: a strict policy and the cpuset exclude nodes, any other policy only prefers some.
 */
export function poolRoom(placement: Pick<Placement, 'policy' | 'nodes'>, counters: PoolCounters): PoolRoom {
  const { machine, nodes, allowedNodes } = counters
  // Pages that the kernel would make on demand (nr_overcommit_hugepages), as long as it finds memory for them.
  const onDemand = Math.max(0, (machine.overcommit ?? 0) - machine.surplus)
  // The kernel counts promised pages (reservations) for the whole machine, not for each node.
  const onMachine = Math.max(0, machine.free - (machine.reserved ?? 0))
  const bound = strictNodes(placement)
  const usable = nodes.filter(({ node }) => isIn(allowedNodes, node) && (bound === undefined || isIn(bound, node)))
  if (bound === undefined && usable.length === nodes.length)
    return { available: onMachine + onDemand, nodes: undefined }
  const onNodes = usable.reduce((sum, { free }) => sum + free, 0)
  return {
    available: Math.min(onMachine, onNodes) + onDemand,
    nodes: usable.map(({ node }) => node).filter((node) => node !== undefined),
  }
}

/** Why the pools have too few pages for the attempt; undefined when they have enough. */
export function poolShortage(attempt: Attempt, counters: PoolCounters): Shortage | undefined {
  const { available } = poolRoom(attempt.placement, counters)
  return pageCount(attempt) <= available ? undefined : describePools(attempt, counters, available)
}

/**
 * The same when the pools have enough pages by now. They were short a moment ago, or the limit of a hugetlb cgroup that is
 * outside this process's cgroup namespace, or not mounted here, has refused them. Nothing tells which.
 */
export function passedPoolShortage(attempt: Attempt, counters: PoolCounters): Shortage {
  const { available } = poolRoom(attempt.placement, counters)
  const { hint: _, ...shortage } = describePools(attempt, counters, available)
  const why = 'others had them a moment ago, or a cgroup that this process cannot see limits them'
  return { ...shortage, message: `${shortage.message}, and the kernel refused them: ${why}` }
}

function describePools(attempt: Attempt, counters: PoolCounters, available: number): Shortage {
  const pages = pageCount(attempt)
  const pageSize = attempt.choice.bytes
  const { machine, nodes: allNodes } = counters
  const { nodes } = poolRoom(attempt.placement, counters)
  const counted = nodes === undefined ? [machine] : allNodes.filter(({ node }) => isIn(nodes, node))
  const sum = (count: (pool: HugepagePool) => number) => counted.reduce((total, pool) => total + count(pool), 0)
  const [total, free] = [sum((pool) => pool.total), sum((pool) => pool.free)]
  // Pages that are free on these nodes, but that the machine has promised to others.
  const reserved = Math.max(0, free - Math.max(0, Math.min(free, machine.free - (machine.reserved ?? 0))))
  const inPool = [
    total === 0 ? 'none in the pool' : `${total} in the pool`,
    ...(total > free ? [`${total - free} in use`] : []),
    ...(reserved > 0 ? [`${reserved} reserved by others`] : []),
  ].join(', ')
  const where = nodesText(formatIndexList(nodes ?? []))
  const growth = counted.reduce((most, pool) => Math.max(most, counters.growth(pool)), 0)
  const most = pages - available <= growth ? '' : `, and memory for ${growth} more at most`
  const perNode = allNodes.map(({ node, total, free, surplus }) => ({ node, total, free, surplus }))
  return {
    code: 'ERR_HUGEPAGES_SHORT',
    message: `${pagesText(pages, pageSize)} wanted${where}, ${available} free (${inPool})${most}`,
    values: { pageSize, wanted: pages, available, free, reserved: machine.reserved ?? 0, total, nodes, perNode },
    hint: mend(counted, pages - available, counters),
  }
}

/**
 * The command that adds the missing pages to the pool that counts; of several nodes, to the pool with the most pages.
 * undefined when the machine has no memory for so many.
 */
function mend(pools: readonly HugepagePool[], missing: number, { growth }: PoolCounters): string | undefined {
  const [pool] = pools.filter((pool) => missing <= growth(pool)).sort((one, other) => other.total - one.total)
  if (pool === undefined) return undefined
  // Growing turns surplus pages into the pool's own before it makes new ones, hence `total` and not the own pages.
  return `echo ${pool.total + missing} | sudo tee ${poolDirectory(pool.pageSize, pool.node)}/nr_hugepages`
}

function isIn(nodes: readonly number[], node: number | undefined): boolean {
  return node !== undefined && nodes.includes(node)
}
