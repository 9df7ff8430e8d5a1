import { defineCommand } from 'citty'
import { type HugepagePool, openLoans, readPools } from '../../hugepages/index.js'
import { formatSize } from '../../sizes.js'
import { commonArguments } from '../arguments.js'
import { formatCount, Output, type Paint, renderTable } from '../output.js'
import { defaultHugepageSize } from './default-size.js'
import { unknownLoanText } from './lent-pages.js'
import { readHugetlbMounts, readMountState } from './mounts.js'
import { ownerName } from './owner.js'
import { findHugepageUsers } from './users.js'

export const show = defineCommand({
  meta: {
    name: 'show',
    description: 'Show hugepage pools by size and node, mounts, and the processes that use hugepages',
  },
  args: commonArguments,
  run({ args }) {
    new Output({ json: args.json === true }).report(readHugepages(), renderHugepages)
  },
})

export type HugepagesReport = ReturnType<typeof readHugepages>

/**
 * Everything about the machine's hugepages, as `show --json` prints it. Sizes are bytes. null means that there is no
 * value, or that it is not known here.
 */
function readHugepages() {
  return {
    schema: 'pinfold/hugepages-show/1',
    defaultPageSize: defaultHugepageSize() ?? null,
    pools: readPools().map(reportPool),
    mounts: readHugetlbMounts().map((mount) => {
      const state = readMountState(mount)
      return {
        path: mount.path,
        pageSize: mount.pageSize,
        size: mount.size ?? null,
        minSize: mount.minSize ?? null,
        free: state?.free ?? null,
        mode: state?.mode ?? null,
        owner: state === undefined ? null : ownerName(state),
      }
    }),
    /** Processes that have hugetlb pages mapped. */
    users: findHugepageUsers(),
    /** Pages that pinfold has added to pools for a while. Only root can see these loans. */
    loans: openLoans(),
  } as const
}

function reportPool({ pageSize, node, total, free, reserved, surplus, overcommit }: HugepagePool) {
  return {
    pageSize,
    node: node ?? null,
    total,
    free,
    reserved: reserved ?? null,
    surplus,
    overcommit: overcommit ?? null,
  }
}

export function renderHugepages(report: HugepagesReport, paint: Paint): string {
  const parts = [renderPools(report, paint)]
  if (report.mounts.length > 0) parts.push(renderMounts(report, paint))
  if (report.users.length > 0) parts.push(renderUsers(report, paint))
  const loans = report.loans.map((loan) =>
    loan.owner === 'unknown'
      ? unknownLoanText(loan)
      : `process ${loan.pid} has borrowed ${formatCount(loan.pages)} of the ${formatSize(loan.pageSize)} pages`,
  )
  if (loans.length > 0) parts.push(loans.join('\n'))
  return parts.join('\n\n')
}

function renderPools({ pools, defaultPageSize }: HugepagesReport, paint: Paint): string {
  if (pools.length === 0) return 'this kernel has no hugetlb pages (CONFIG_HUGETLBFS)'
  const orDash = (count: number | null) => (count === null ? '-' : formatCount(count))
  const rows = pools.map(({ pageSize, node, total, free, reserved, surplus, overcommit }) => [
    node === null ? `${formatSize(pageSize)}${pageSize === defaultPageSize ? ' (default)' : ''}` : '',
    node === null ? 'all' : `${node}`,
    formatCount(total),
    paint(formatCount(free), free > 0 ? 'green' : 'dim'),
    orDash(reserved),
    orDash(surplus),
    orDash(overcommit),
    total === 0 ? '0' : formatSize(total * pageSize),
  ])
  const counts = ['total', 'free', 'reserved', 'surplus', 'overcommit', 'memory']
  const columns = counts.map((title) => ({ title, align: 'right' }) as const)
  return renderTable([{ title: 'page size' }, { title: 'node' }, ...columns], rows, paint)
}

function renderMounts({ mounts }: HugepagesReport, paint: Paint): string {
  const rows = mounts.map(({ path, pageSize, size, free, mode, owner }) => [
    path,
    formatSize(pageSize),
    size === null ? 'no limit' : formatSize(size),
    free === null ? '-' : free === 0 ? '0' : formatSize(free),
    mode ?? '-',
    owner ?? '-',
  ])
  const titles = ['mount', 'page size', 'size', 'free', 'mode', 'owner']
  return renderTable(
    titles.map((title) => ({ title })),
    rows,
    paint,
  )
}

function renderUsers({ users }: HugepagesReport, paint: Paint): string {
  const rows = users.map(({ pid, command, hugetlb }) => [`${pid}`, command, formatSize(hugetlb)])
  const columns = [{ title: 'pid', align: 'right' }, { title: 'process' }, { title: 'mapped', align: 'right' }] as const
  return renderTable(columns, rows, paint)
}
