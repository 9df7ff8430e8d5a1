import { accessSync, constants, readdirSync } from 'node:fs'
import { openLoans } from '../src/memory/hugepage-loan.js'
import { ownPages, poolDirectory, readPool } from '../src/memory/hugepage-pools.js'
import { hugetlbPageSizes } from '../src/memory/page-sizes.js'
import { MiB } from '../src/sizes.js'
import { Child } from './child-process.js'

/** The size of page that the tests change the pool of: 2 MiB, or the smallest that there is. */
export const pageSize = hugetlbPageSizes().find((size) => size === 2 * MiB) ?? hugetlbPageSizes().at(-1) ?? 2 * MiB

/** Why this process cannot change hugepage pools, undefined when it can. */
export function whyNotPools(): string | undefined {
  if (hugetlbPageSizes().length === 0) return 'this kernel has no hugepages'
  if (process.getuid?.() !== 0) return 'needs root, to change hugepage pools'
  try {
    accessSync(`${poolDirectory(pageSize)}/nr_hugepages`, constants.W_OK)
    return undefined
  } catch {
    return 'needs a writable /sys, to change hugepage pools'
  }
}

/**
 * The pool's own pages: what a borrower must leave as it found it. What strangers have borrowed meanwhile is left out,
 * so that two test runs at once do not see each other.
 */
export function poolPages(): number {
  const strangers = openLoans().filter((loan) => loan.pageSize === pageSize && !isOurs(loan.pid))
  return ownPages(readPool(pageSize)) - strangers.reduce((sum, { pages }) => sum + pages, 0)
}

/** The journals that lie in /run/pinfold of this process and its children. */
export function journals(): string[] {
  return readdirSync('/run/pinfold')
    .filter((name) => name.startsWith('loan-') && isOurs(Number(name.split('-')[1])))
    .sort()
}

function isOurs(pid: number): boolean {
  return pid === process.pid || Child.pids.has(pid)
}

/** The command line that runs the rest of it as a user without any privilege. */
export const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all']
