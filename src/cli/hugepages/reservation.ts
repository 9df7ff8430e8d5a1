import type { HugepagePool } from '../../hugepages/index.js'
import { formatSize } from '../../sizes.js'
import { memoryNodes } from '../../system/numa.js'
import { hugetlbPageSizes } from '../../system/page-sizes.js'
import { badArgument, parseNodes, parsePageSize, parsePages } from '../arguments.js'
import { formatCount, Output, type Paint } from '../output.js'
import { type OvercommitChange, withOvercommit } from './overcommit.js'
import { checkPersistence, type Persistence, planPersistence, writePersistence } from './persist.js'
import { changePools, type PagesChange } from './pool-change.js'

/** The arguments that reserve and release have in common. */
export const reservationArguments = {
  size: { type: 'positional', description: 'Page size: 2MiB, 1GiB, …', required: true },
  pages: { type: 'positional', description: 'How many pages, or how much memory: 64 or 128MiB', required: false },
  node: {
    type: 'string',
    description: "This many on each of these NUMA nodes: '0', '0,1', '0-3' (default: the kernel spreads them)",
  },
  'dry-run': { type: 'boolean', description: 'Only show what would be done' },
  persist: {
    type: 'boolean',
    description: 'Also for the next boot: write a sysctl file, or show the kernel command line',
  },
} as const

/** The arguments of reserve or release before they are parsed. */
export interface ReservationWords {
  readonly size: string
  readonly pages?: string | undefined
  readonly to?: string | undefined
  readonly overcommit?: string | undefined
  readonly node?: string | undefined
  readonly 'dry-run'?: boolean | undefined
  readonly persist?: boolean | undefined
  readonly compact?: boolean | undefined
  readonly 'drop-caches'?: boolean | undefined
  readonly json?: boolean | undefined
}

/** The number of pages that was named: a difference, or a final number. */
export type Amount = { readonly by: number } | { readonly to: number }

/** The report of reserve or release. The schema says of which. */
export interface ReservationReport {
  readonly schema: `pinfold/hugepages-${'reserve' | 'release'}/1`
  readonly dryRun: boolean
  /** Bytes. */
  readonly pageSize: number
  readonly changes: readonly PagesChange[]
  /** The change of the number of surplus pages that the kernel may make on demand; null if it was not asked for. */
  readonly overcommit: OvercommitChange | null
  readonly persist: Persistence | null
}

/** Runs reserve or release, all or nothing. `goal` returns the number of own pages that a pool shall have. */
export function changeReservation(
  schema: ReservationReport['schema'],
  words: ReservationWords,
  goal: (pool: HugepagePool, amount: Amount) => number,
): void {
  const output = new Output({ json: words.json === true })
  const pageSize = parsePageSize(words.size, hugetlbPageSizes())
  const amount = parseAmount(words, pageSize)
  const nodes = words.node === undefined ? [undefined] : parseNodes(words.node, memoryNodes())
  const surplus = words.overcommit === undefined ? undefined : parsePages(words.overcommit, pageSize)
  const dryRun = words['dry-run'] === true
  output.progress(`changing the hugepage pool of ${formatSize(pageSize)} pages …`)
  const finish = (changes: readonly PagesChange[], overcommit: OvercommitChange | null): ReservationReport => {
    const plan = words.persist === true ? planPersistence(pageSize, changes, overcommit, dryRun) : null
    if (plan !== null) checkPersistence(plan)
    const persist = plan === null || dryRun ? plan : writePersistence(plan)
    return { schema, dryRun, pageSize, changes, overcommit, persist }
  }
  const report = changePools(
    {
      pageSize,
      nodes,
      dryRun,
      goal: (pool) => goal(pool, amount),
      compact: words.compact === true || words['drop-caches'] === true,
      dropCaches: words['drop-caches'] === true,
    },
    (changes) =>
      surplus === undefined
        ? finish(changes, null)
        : withOvercommit(pageSize, surplus, dryRun, (change) => finish(changes, change)),
  )
  output.report(report, renderReservation)
}

function parseAmount({ pages, to, overcommit }: ReservationWords, pageSize: number): Amount {
  if (pages !== undefined && to === undefined) return { by: parsePages(pages, pageSize) }
  if (to !== undefined && pages === undefined) return { to: parsePages(to, pageSize) }
  if (pages === undefined && overcommit !== undefined) return { by: 0 }
  throw badArgument('either a number of pages or --to', pages === undefined ? undefined : `${pages} and --to ${to}`)
}

/** Renders one line for each pool, then the settings for the next boot. */
export function renderReservation(report: ReservationReport, paint: Paint): string {
  const { pageSize, changes, overcommit, dryRun, persist } = report
  const undone = dryRun ? paint('  not done: --dry-run', 'yellow') : ''
  const pages = `${formatSize(pageSize)} pages`
  const lines = changes.map(({ node, before, after }) => {
    const where = node === null ? '' : ` on node ${node}`
    const memory = paint(`(${after === 0 ? 'none' : formatSize(after * pageSize)})`, 'dim')
    return `${pages}${where}: ${formatChange(before, after)} ${memory}${undone}`
  })
  if (overcommit !== null) {
    lines.push(`${pages} on demand: ${formatChange(overcommit.before, overcommit.after)}${undone}`)
  }
  return [...lines, ...(persist === null ? [] : renderPersistence(persist, paint))].join('\n')
}

function formatChange(before: number, after: number): string {
  return before === after ? `${formatCount(after)}, as before` : `${formatCount(before)} → ${formatCount(after)}`
}

function renderPersistence({ file, lines, written, command, overriddenBy }: Persistence, paint: Paint): string[] {
  const indented = lines.map((line) => `  ${line}`)
  if (file !== null) {
    const warnings = overriddenBy.map((other) =>
      paint(`  ${other} overrides this file: it sets the same and is read later`, 'yellow'),
    )
    return [`${written ? 'wrote' : 'would write'} ${file}:`, ...indented, ...warnings]
  }
  const how = command === undefined ? [] : ['with this boot loader:', `  ${command}`]
  return ['for the next boot, add to the kernel command line:', ...indented, ...how]
}
