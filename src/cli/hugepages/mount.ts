import { lstatSync, mkdirSync, readdirSync, realpathSync, rmdirSync } from 'node:fs'
import { dirname, isAbsolute, normalize } from 'node:path'
import { defineCommand } from 'citty'
import { PinfoldError } from '../../errors.js'
import { readPool } from '../../memory/hugepage-pools.js'
import { hugetlbPageSizes } from '../../memory/page-sizes.js'
import { formatSize } from '../../sizes.js'
import { badArgument, commonArguments, parseLength, parsePageSize } from '../arguments.js'
import { Output, type Paint } from '../output.js'
import { quoteWords } from '../shell-command.js'
import { defaultHugepageSize } from './default-size.js'
import { runMountCommand } from './mount-command.js'
import { type HugetlbMount, readHugetlbMounts, readMountState, readMounts } from './mounts.js'
import { type Owner, parseOwner } from './owner.js'

/** Mounts a hugetlbfs. pinfold needs none; programs that name their hugepages by file do, DPDK by default among them. */
export const mount = defineCommand({
  meta: { name: 'mount', description: 'Mount a hugetlbfs, with page size, limits and owner' },
  args: {
    path: { type: 'positional', description: 'The folder; made when it is not there', default: '/dev/hugepages' },
    'page-size': { type: 'string', description: "Page size: 2MiB, 1GiB, … (else the machine's default)" },
    size: { type: 'string', description: 'The most that its files may hold: 1GiB' },
    'min-size': { type: 'string', description: 'What it keeps reserved of the pool from now on: 128MiB' },
    mode: { type: 'string', description: 'Permissions of its root, in octal: 0770' },
    owner: { type: 'string', description: 'Owner of its root: user or user:group, by name or number' },
    'dry-run': { type: 'boolean', description: 'Only show what would be done' },
    ...commonArguments,
  },
  run({ args }) {
    const output = new Output({ json: args.json === true })
    const wanted: WantedMount = {
      path: parsePath(args.path),
      pageSize: parseMountedPageSize(args['page-size']),
      size: args.size === undefined ? undefined : parseLength(args.size),
      minSize: args['min-size'] === undefined ? undefined : parseLength(args['min-size']),
      mode: args.mode === undefined ? undefined : parseMode(args.mode),
      owner: args.owner === undefined ? undefined : parseOwner(args.owner),
    }
    checkSizes(wanted)
    output.report(mountHugetlbfs(wanted, args['dry-run'] === true), renderMount)
  },
})

/** A mount as it was asked for; what is undefined is the kernel's to choose. */
interface WantedMount {
  readonly path: string
  readonly pageSize: number
  readonly size: number | undefined
  readonly minSize: number | undefined
  readonly mode: number | undefined
  readonly owner: Owner | undefined
}

export interface MountReport {
  readonly schema: 'pinfold/hugepages-mount/1'
  readonly dryRun: boolean
  /** false when it was mounted so before. */
  readonly changed: boolean
  readonly path: string
  readonly pageSize: number
  /** The words of mount(8). */
  readonly command: readonly string[]
  /** The line of /etc/fstab that mounts it at boot. */
  readonly fstab: string
}

function mountHugetlbfs(wanted: WantedMount, dryRun: boolean): MountReport {
  const { path, pageSize } = wanted
  const options = mountOptions(wanted)
  const command = ['mount', '-t', 'hugetlbfs', '-o', options, '--', 'hugetlbfs', path] as const
  // fstab(5): a space in a field is \040
  const fstab = `hugetlbfs ${path.replaceAll('\\', '\\134').replaceAll(' ', '\\040')} hugetlbfs ${options} 0 0`
  const report = { schema: 'pinfold/hugepages-mount/1', dryRun, path, pageSize, command, fstab } as const
  const present = readMounts().find((mount) => mount.path === path)
  if (present !== undefined) {
    const differences = present.type === 'hugetlbfs' ? differ(wanted) : [`a ${present.type}`]
    if (differences.length === 0) return { ...report, changed: false }
    throw new PinfoldError(`${path} is mounted already, as ${differences.join(', ')}`, {
      code: 'ERR_SYSTEM',
      values: { path, differences },
      ...(present.type === 'hugetlbfs' ? { hint: `pinfold hugepages unmount ${quoteWords([path])}` } : {}),
    })
  }
  if (dryRun) return { ...report, changed: true }
  const made = makeFolder(path)
  try {
    runMountCommand(command)
  } catch (error) {
    removeFolders(path, made)
    throw error
  }
  return { ...report, changed: true }
}

/** Numbers only, so that nothing in them can end one option and begin another. */
export function mountOptions({ pageSize, size, minSize, mode, owner }: Omit<WantedMount, 'path'>): string {
  const options: (readonly [name: string, value: number | string | undefined])[] = [
    ['pagesize', pageSize],
    ['size', size],
    ['min_size', minSize],
    ['mode', mode === undefined ? undefined : `0${mode.toString(8)}`],
    ['uid', owner?.uid],
    ['gid', owner?.gid],
  ]
  return options
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}`)
    .join(',')
}

/** In what the mount that is there differs from the one wanted; nothing where the wish left it open. */
function differ({ path, pageSize, size, minSize, mode, owner }: WantedMount): string[] {
  const mounted = readHugetlbMounts().find((mount) => mount.path === path)
  const state = mounted === undefined ? undefined : readMountState(mounted)
  const told = (name: keyof HugetlbMount, wish: number | undefined) =>
    wish === undefined || mounted?.[name] === wish ? [] : [`${name} ${mounted?.[name] ?? 'without limit'}`]
  return [
    ...told('pageSize', pageSize),
    ...told('size', size),
    ...told('minSize', minSize),
    ...(mode === undefined || Number.parseInt(state?.mode ?? '', 8) === mode ? [] : [`mode ${state?.mode}`]),
    ...(owner === undefined || state?.uid === owner.uid ? [] : [`owner ${state?.uid}`]),
    ...(owner?.gid === undefined || state?.gid === owner.gid ? [] : [`group ${state?.gid}`]),
  ]
}

/** Makes the folder, or makes sure that mounting over it hides nothing. Returns the first folder that it made. */
function makeFolder(path: string): string | undefined {
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined)
      return mkdirSync(path, { recursive: true, mode: 0o755 })
    if (readdirSync(path).length === 0) return undefined
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOTDIR') throw badArgument('a folder to mount on', path)
    const isDenied = code === 'EACCES' || code === 'EPERM'
    const message = `${path} cannot be used: ${error instanceof Error ? error.message : error}`
    throw new PinfoldError(message, { code: isDenied ? 'ERR_PERMISSION' : 'ERR_SYSTEM', cause: error })
  }
  throw badArgument('an empty folder, since mounting hides what is in it', path)
}

function removeFolders(path: string, first: string | undefined): void {
  if (first === undefined) return
  for (let folder = path; folder.length >= first.length; folder = dirname(folder)) rmdirSync(folder)
}

/** An absolute path without links in it, as mountinfo shows it. */
export function parsePath(word: string): string {
  if (!isAbsolute(word) || /\p{Cc}/u.test(word) || normalize(word) === '/') {
    throw badArgument('an absolute path of a folder', word)
  }
  const path = normalize(word).replace(/\/$/, '')
  for (let known = path, rest = ''; ; rest = path.slice(dirname(known).length), known = dirname(known)) {
    const isThere = lstatSync(known, { throwIfNoEntry: false }) !== undefined
    if (isThere) return known === '/' ? path : realpathSync(known) + rest
  }
}

function parseMountedPageSize(word: string | undefined): number {
  const size = word === undefined ? defaultHugepageSize() : parsePageSize(word, hugetlbPageSizes())
  if (size !== undefined) return size
  throw new PinfoldError('this kernel has no hugetlb pages', { code: 'ERR_UNSUPPORTED' })
}

function parseMode(word: string): number {
  if (/^[0-7]{3,4}$/.test(word)) return Number.parseInt(word, 8)
  throw badArgument("permissions in octal such as '0770'", word)
}

function checkSizes({ pageSize, size, minSize }: WantedMount): void {
  for (const bytes of [size, minSize]) {
    if (bytes !== undefined && bytes % pageSize !== 0) throw badArgument(`a multiple of ${formatSize(pageSize)}`, bytes)
  }
  if (minSize === undefined) return
  if (size !== undefined && minSize > size) throw badArgument(`a --min-size of at most ${formatSize(size)}`, minSize)
  const { free, reserved = 0 } = readPool(pageSize)
  if (minSize / pageSize <= free - reserved) return
  throw new PinfoldError(
    `${minSize / pageSize} pages of ${formatSize(pageSize)} wanted for --min-size, ${free - reserved} free`,
    {
      code: 'ERR_HUGEPAGES_SHORT',
      values: { wanted: minSize / pageSize, free, reserved },
      hint: `pinfold hugepages reserve ${formatSize(pageSize)} ${minSize / pageSize - free + reserved}`,
    },
  )
}

export function renderMount({ changed, dryRun, path, pageSize, command, fstab }: MountReport, paint: Paint): string {
  const done = dryRun ? 'would mount' : 'mounted'
  const first = changed
    ? `${done} hugetlbfs of ${formatSize(pageSize)} pages on ${path}`
    : `${path} is mounted so already`
  return [first, `  ${paint(quoteWords(command), 'dim')}`, 'to mount it at boot, in /etc/fstab:', `  ${fstab}`].join(
    '\n',
  )
}
