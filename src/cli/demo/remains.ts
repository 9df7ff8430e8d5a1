import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { openLoans, readPools } from '../../hugepages/index.js'
import { inspectPage } from '../../translate/virt-to-phys.js'
import { findHugepageUsers } from '../hugepages/users.js'

/** The resources of the machine that this process holds, counted at one moment. */
export interface Holdings {
  /** Mappings named after a region of ours, in /proc/self/maps. */
  readonly mappings: number
  /** Open descriptors of /proc/self/fd, each with the file on which it is open. */
  readonly descriptors: readonly string[]
  /** Every hugepage pool of the machine. */
  readonly pools: readonly { readonly pageSize: number; readonly total: number; readonly free: number }[]
  /** Other processes that have hugepages mapped or borrowed: they may change a pool at any time. */
  readonly others: readonly number[]
}

/** The comparison of what this process held before and after a run. */
export interface Remains {
  readonly mappings: { readonly before: number; readonly after: number }
  readonly descriptors: { readonly before: number; readonly after: number; readonly added: readonly string[] }
  readonly hugepages: readonly {
    readonly pageSize: number
    readonly before: { readonly total: number; readonly free: number }
    readonly after: { readonly total: number; readonly free: number }
  }[]
  /** Other processes that used hugepages before or after. If a pool has changed, they may be the cause. */
  readonly others: readonly number[]
  /** Whether the pools are as before. */
  readonly poolsAsBefore: boolean
  /** Whether nothing of ours is left. */
  readonly nothing: boolean
}

export function countHoldings(): Holdings {
  // pinfold opens /proc/self/pagemap once, at the first translation, and keeps it open. It belongs to no region, so it
  // is opened before the count.
  inspectPage(new Uint8Array(1))
  const descriptors = readdirSync('/proc/self/fd').map((descriptor) => {
    try {
      return `${descriptor} ${readlinkSync(`/proc/self/fd/${descriptor}`)}`
    } catch {
      // This descriptor read the directory itself, and is closed by now.
      return undefined
    }
  })
  const others = [...findHugepageUsers(), ...openLoans()].map(({ pid }) => pid).filter((pid) => pid !== process.pid)
  return {
    mappings: readFileSync('/proc/self/maps', 'latin1')
      .split('\n')
      .filter((line) => line.includes('pinfold:')).length,
    descriptors: descriptors.filter((descriptor) => descriptor !== undefined),
    pools: readPools()
      .filter(({ node }) => node === undefined)
      .map(({ pageSize, total, free }) => ({ pageSize, total, free })),
    others: [...new Set(others)],
  }
}

export function compareHoldings(before: Holdings, after: Holdings): Remains {
  const added = after.descriptors.filter((descriptor) => !before.descriptors.includes(descriptor))
  const hugepages = after.pools.map(({ pageSize, total, free }) => {
    const { total: totalBefore = 0, free: freeBefore = 0 } =
      before.pools.find((pool) => pool.pageSize === pageSize) ?? {}
    return { pageSize, before: { total: totalBefore, free: freeBefore }, after: { total, free } }
  })
  const others = [...new Set([...before.others, ...after.others])]
  const poolsAsBefore = hugepages.every(
    ({ before, after }) => before.total === after.total && before.free === after.free,
  )
  const oursAsBefore = after.mappings === before.mappings && after.descriptors.length === before.descriptors.length
  return {
    mappings: { before: before.mappings, after: after.mappings },
    descriptors: { before: before.descriptors.length, after: after.descriptors.length, added },
    hugepages,
    others,
    poolsAsBefore,
    nothing: oursAsBefore && (poolsAsBefore || others.length > 0),
  }
}

/**
 * Compares until nothing is left, or `patience` milliseconds have passed. Other processes that use the pools may change
 * them for a moment, but anything that pinfold left would stay.
 */
export async function measureRemains(before: Holdings, patience = 2000): Promise<Remains> {
  const deadline = performance.now() + patience
  while (true) {
    const remains = compareHoldings(before, countHoldings())
    if ((remains.nothing && remains.poolsAsBefore) || performance.now() > deadline) return remains
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
