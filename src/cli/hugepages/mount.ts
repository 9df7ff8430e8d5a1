import { accessSync, constants, lstatSync, mkdirSync, readdirSync, realpathSync, rmdirSync } from 'node:fs'
import { dirname, isAbsolute, normalize } from 'node:path'
import { defineCommand } from 'citty'
import { PinfoldError, toPinfoldError } from '../../errors.js'
import { mostGrowth, readPool } from '../../hugepages/index.js'
import { formatSize } from '../../sizes.js'
import { ownCommand } from '../../system/own-command.js'
import { hugetlbPageSizes } from '../../system/page-sizes.js'
import { badArgument, commonArguments, parseLength, parsePageSize } from '../arguments.js'
import { Output, type Paint } from '../output.js'
import { quoteWords } from '../shell-command.js'
import { defaultHugepageSize } from './default-size.js'
import { runMountCommand } from './mount-command.js'
import { type HugetlbMount, readHugetlbMounts, readMountState, readMounts } from './mounts.js'
import { type Owner, parseOwner } from './owner.js'

/**
 * Mounts a hugetlbfs. pinfold itself needs none. Programs that name their hugepages by file need one, as DPDK does by
 * default.
 */
export const mount = defineCommand({
  meta: { name: 'mount', description: 'Mount a hugetlbfs, with page size, limits and owner' },
  args: {
    path: { type: 'positional', description: 'The folder; it is made if it does not exist', default: '/dev/hugepages' },
    'page-size': { type: 'string', description: "Page size: 2MiB, 1GiB, … (default: the machine's default)" },
    size: { type: 'string', description: 'The most that all its files may hold together: 1GiB' },
    'min-size': { type: 'string', description: 'The part of the hugepage pool that it reserves from now on: 128MiB' },
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

/** A mount as it was asked for. The kernel chooses each value that is undefined. */
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
  /** False if the same mount existed before. */
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
    const differences = present.type === 'hugetlbfs' ? differ(wanted) : [`type ${present.type}`]
    if (differences.length === 0) return { ...report, changed: false }
    throw new PinfoldError(`another file system is mounted on ${path}: ${differences.join(', ')}`, {
      code: 'ERR_SYSTEM',
      values: { path, differences },
      ...(present.type === 'hugetlbfs' ? { hint: ownCommand(`hugepages unmount ${quoteWords([path])}`) } : {}),
    })
  }
  checkFolder(path)
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

/** The options of mount(8). All values are numbers, so that no value can end one option and begin another. */
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

/**
 * The properties in which the existing mount differs from the wanted one. A property that was not asked for does not
 * count.
 */
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

/**
 * Checks that the folder can be mounted on. It must be an empty folder, since a mount hides the files in it. If it does
 * not exist, it must be possible to make it, as far as that is known without making it.
 */
function checkFolder(path: string): void {
  folderCall(path, () => {
    if (!isThere(path)) return checkParent(path)
    if (readdirSync(path).length === 0) return
    throw badArgument('an empty folder, since a mount hides the files in it', path)
  })
}

/** Checks the nearest folder above `path` that exists. */
function checkParent(path: string): void {
  let parent = dirname(path)
  while (!isThere(parent)) parent = dirname(parent)
  if (!lstatSync(parent).isDirectory()) throw badArgument('a folder to mount on', path)
  // Only root may mount. In a dry run of another user, that user's rights say nothing about root's.
  if (process.geteuid?.() === 0) accessSync(parent, constants.W_OK)
}

/**
 * Makes the folder if it does not exist, and returns the first folder that it made. It makes one folder after another:
 * where no folder can be made, as in /proc, a recursive mkdirSync never ends.
 */
function makeFolder(path: string): string | undefined {
  if (isThere(path)) return undefined
  const above = makeFolder(dirname(path))
  folderCall(path, () => mkdirSync(path, 0o755))
  return above ?? path
}

/** True if the path exists. A path below a plain file does not. */
function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return false
    throw toPinfoldError(error)
  }
}

function folderCall<Result>(path: string, call: () => Result): Result {
  try {
    return call()
  } catch (error) {
    if (error instanceof PinfoldError) throw error
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOTDIR') throw badArgument('a folder to mount on', path)
    const isDenied = code === 'EACCES' || code === 'EPERM'
    const message = `${path} cannot be used: ${error instanceof Error ? error.message : error}`
    throw new PinfoldError(message, { code: isDenied ? 'ERR_PERMISSION' : 'ERR_SYSTEM', cause: error })
  }
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
    if (isThere(known)) return known === '/' ? path : realpathSync(known) + rest
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
  const pool = readPool(pageSize)
  const { free, reserved = 0 } = pool
  if (minSize / pageSize <= free - reserved) return
  const missing = minSize / pageSize - free + reserved
  throw new PinfoldError(
    `--min-size needs ${minSize / pageSize} pages of ${formatSize(pageSize)}, and ${free - reserved} are free`,
    {
      code: 'ERR_HUGEPAGES_SHORT',
      values: { wanted: minSize / pageSize, free, reserved },
      ...(missing <= mostGrowth(pool)
        ? { hint: ownCommand(`hugepages reserve ${formatSize(pageSize)} ${missing}`) }
        : {}),
    },
  )
}

export function renderMount({ changed, dryRun, path, pageSize, command, fstab }: MountReport, paint: Paint): string {
  const done = dryRun ? 'would mount' : 'mounted'
  const first = changed
    ? `${done} a hugetlbfs of ${formatSize(pageSize)} pages on ${path}`
    : `the same hugetlbfs is already mounted on ${path}`
  return [
    first,
    `  ${paint(quoteWords(command), 'dim')}`,
    'to mount it at boot, add to /etc/fstab:',
    `  ${fstab}`,
  ].join('\n')
}
