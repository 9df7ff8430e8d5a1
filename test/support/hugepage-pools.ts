import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { onTestFinished, type TestContext } from 'vitest'
import { openLoans, ownPages, readPool } from '../../src/hugepages/index.js'
import { MiB } from '../../src/sizes.js'
import { hugetlbPageSizes } from '../../src/system/page-sizes.js'
import { Child } from './child-process.js'

/** The page size whose hugepage pool the tests change: 2 MiB, or the smallest size. */
export const pageSize = hugetlbPageSizes().find((size) => size === 2 * MiB) ?? hugetlbPageSizes().at(-1) ?? 2 * MiB

/**
 * The pages of the hugepage pool, which a borrower must leave as it found them. Pages that other processes have
 * borrowed are left out, so that two test runs at once do not disturb each other.
 */
export function poolPages(): number {
  const strangers = openLoans().filter((loan) => loan.pageSize === pageSize && !isOurs(loan.pid))
  return ownPages(readPool(pageSize)) - strangers.reduce((sum, { pages }) => sum + pages, 0)
}

/** The journals of this process and its children in /run/pinfold. */
export function journals(): string[] {
  return readdirSync('/run/pinfold')
    .filter((name) => name.startsWith('loan-') && isOurs(Number(name.split('-')[1])))
    .sort()
}

function isOurs(pid: number): boolean {
  return pid === process.pid || Child.pids.has(pid)
}

/** Mounts a hugetlbfs with pages of this size for the duration of the test. Skips the test if it may not be mounted. */
export function mountHugetlbfs({ skip }: Pick<TestContext, 'skip'>, pageSize: number, options = ''): string {
  const mount = mkdtempSync(`${tmpdir()}/pinfold-hugetlbfs-`)
  const { status } = spawnSync('mount', ['-t', 'hugetlbfs', '-o', `pagesize=${pageSize}${options}`, 'none', mount])
  onTestFinished(() => {
    if (status === 0) spawnSync('umount', [mount])
    rmdirSync(mount)
  })
  skip(status !== 0, 'may not mount a hugetlbfs here')
  return mount
}
