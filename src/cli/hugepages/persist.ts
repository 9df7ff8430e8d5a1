import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { PinfoldError } from '../../errors.js'
import { type HugepagePool, ownPages, readPool } from '../../hugepages/index.js'
import { formatSize, GiB, MiB } from '../../sizes.js'
import { memoryNodes } from '../../system/numa.js'
import { kernelOptionCommand, sudo } from '../shell-command.js'
import { defaultHugepageSize } from './default-size.js'
import { lentPages } from './lent-pages.js'
import type { OvercommitChange } from './overcommit.js'
import type { PagesChange } from './pool-change.js'

/** The file to which the reservation of the default page size is written. */
export const sysctlFile = '/etc/sysctl.d/60-pinfold-hugepages.conf'

/** How a reservation is made again at the next boot. */
export interface Persistence {
  /**
   * A sysctl can set only the default page size of the whole machine. Everything else needs the kernel command line.
   */
  readonly by: 'sysctl' | 'kernel-command-line'
  /** The sysctl file, or null for the kernel command line: each boot loader keeps it in another place. */
  readonly file: string | null
  /** The lines of the file, or the options to add to the kernel command line. */
  readonly lines: readonly string[]
  readonly written: boolean
  /** The command that does it, if pinfold does not. */
  readonly command?: string
  /** Files that set the same value and are read later, so that they override this one. */
  readonly overriddenBy: readonly string[]
}

/**
 * Plans how to reserve at boot the pages that the pools have now or, in a dry run, would have after `changes`. Pages
 * that are lent for a while are left out.
 */
export function planPersistence(
  pageSize: number,
  changes: readonly PagesChange[],
  overcommit: OvercommitChange | null,
  dryRun: boolean,
): Persistence {
  const growth = (at: number | null) => {
    const change = dryRun ? changes.find(({ node }) => node === at) : undefined
    return change === undefined ? 0 : change.after - change.before
  }
  const whole = keptPages(readPool(pageSize)) + growth(null)
  const isWhole = changes.every(({ node }) => node === null)
  if (isWhole && pageSize === defaultHugepageSize()) {
    const comment = `# Hugepages of ${formatSize(pageSize)} to reserve at boot. Written by: pinfold hugepages --persist`
    const surplus = overcommit?.after ?? readPool(pageSize).overcommit ?? 0
    // An overcommit that was never set is left out: another file may set it.
    const rest = surplus > 0 || overcommit !== null ? [`vm.nr_overcommit_hugepages = ${surplus}`] : []
    const lines = [comment, `vm.nr_hugepages = ${whole}`, ...rest]
    const overriddenBy = laterSettings('vm.nr_hugepages', sysctlFile)
    return { by: 'sysctl', file: sysctlFile, lines, written: false, overriddenBy }
  }
  // Per node since Linux 5.16: '0:64,1:64' (Documentation/admin-guide/kernel-parameters.txt, hugepages=).
  const perNode = memoryNodes()
    .map((node) => ({ node, pages: keptPages(readPool(pageSize, node)) + growth(node) }))
    .filter(({ pages }) => pages > 0)
    .map(({ node, pages }) => `${node}:${pages}`)
  const unit = pageSize % GiB === 0 ? `${pageSize / GiB}G` : `${pageSize / MiB}M`
  const options = `hugepagesz=${unit} hugepages=${isWhole ? whole : perNode.join(',') || 0}`
  const command = kernelOptionCommand(options, `pinfold-hugepages-${unit}`)
  const plan = { by: 'kernel-command-line', file: null, lines: [options], written: false, overriddenBy: [] } as const
  return command === undefined ? plan : { ...plan, command }
}

function keptPages(pool: HugepagePool): number {
  return ownPages(pool) - lentPages(pool)
}

/** Checks that a plan's file can be written, as far as that is known without writing. */
export function checkPersistence({ file }: Persistence): void {
  if (file === null) return
  if (existsSync(file) && !lstatSync(file).isFile()) {
    throw new PinfoldError(`${file} is not a plain file`, { code: 'ERR_SYSTEM', values: { file } })
  }
  try {
    // In a dry run of another user, that user's rights say nothing about root's.
    accessSync(dirname(file), process.geteuid?.() === 0 ? constants.W_OK : constants.F_OK)
  } catch (error) {
    throw notWritten(file, error)
  }
}

/** Writes a plan's file completely or not at all. A plan for the kernel command line is only shown. */
export function writePersistence(plan: Persistence): Persistence {
  if (plan.file === null) return plan
  const temporary = `${plan.file}.${process.pid}.new`
  try {
    writeFileSync(temporary, `${plan.lines.join('\n')}\n`, { flag: 'wx', mode: 0o644, flush: true })
    renameSync(temporary, plan.file)
  } catch (error) {
    if (existsSync(temporary)) unlinkSync(temporary)
    throw notWritten(plan.file, error)
  }
  return { ...plan, written: true }
}

function notWritten(file: string, error: unknown): PinfoldError {
  return new PinfoldError(`${file} could not be written: ${error instanceof Error ? error.message : error}`, {
    code: 'ERR_SYSTEM',
    hint: `${sudo}mkdir -p ${dirname(file)}`,
    values: { file },
    cause: error,
  })
}

/**
 * The files that set `key` and are read after `file`. Files are read by the order of their names over all folders, and
 * /etc/sysctl.conf is read last. Source: sysctl.d(5), sysctl(8) --system.
 */
function laterSettings(key: string, file: string): string[] {
  const folders = ['/etc/sysctl.d', '/run/sysctl.d', '/usr/local/lib/sysctl.d', '/usr/lib/sysctl.d', '/lib/sysctl.d']
  const later = folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => path.endsWith('.conf') && basename(path) > basename(file))
  const setting = new RegExp(`^\\s*-?${key.replace('.', '[./]')}\\s*=`, 'm')
  const setters = [...later, '/etc/sysctl.conf'].filter(
    (path) => existsSync(path) && setting.test(readFileSync(path, 'utf8')),
  )
  // 99-sysctl.conf is often a link to /etc/sysctl.conf, and /lib is often a link to /usr/lib.
  return [...new Set(setters.map((path) => realpathSync(path)))]
}
