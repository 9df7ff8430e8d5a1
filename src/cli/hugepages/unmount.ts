import { readdirSync } from 'node:fs'
import { defineCommand } from 'citty'
import { PinfoldError, toPinfoldError } from '../../errors.js'
import { ownCommand } from '../../system/own-command.js'
import { commonArguments } from '../arguments.js'
import { Output } from '../output.js'
import { quoteWords } from '../shell-command.js'
import { parsePath } from './mount.js'
import { runMountCommand } from './mount-command.js'
import { readMounts } from './mounts.js'
import { findFileUsers } from './users.js'

/**
 * Unmounts a hugetlbfs. Its files exist only in memory. So a hugetlbfs with files is not unmounted, unless
 * --discard-files allows it.
 */
export const unmount = defineCommand({
  meta: { name: 'unmount', description: 'Unmount a hugetlbfs' },
  args: {
    path: { type: 'positional', description: 'The folder on which it is mounted', required: true },
    'discard-files': { type: 'boolean', description: 'Unmount even if it contains files: their contents are lost' },
    'dry-run': { type: 'boolean', description: 'Only show what would be done' },
    ...commonArguments,
  },
  run({ args }) {
    const output = new Output({ json: args.json === true })
    const report = unmountHugetlbfs(parsePath(args.path), args['discard-files'] === true, args['dry-run'] === true)
    output.report(report, ({ dryRun, path, command, files }, paint) => {
      const lost = files.length > 0 ? `, with ${files.length} ${files.length === 1 ? 'file' : 'files'}` : ''
      return `${dryRun ? 'would unmount' : 'unmounted'} ${path}${lost}\n  ${paint(quoteWords(command), 'dim')}`
    })
  },
})

interface UnmountReport {
  readonly schema: 'pinfold/hugepages-unmount/1'
  readonly dryRun: boolean
  readonly path: string
  /** The names of the files that are lost with it. */
  readonly files: readonly string[]
  /** The words of umount(8). */
  readonly command: readonly string[]
}

function unmountHugetlbfs(path: string, discardFiles: boolean, dryRun: boolean): UnmountReport {
  const mounted = readMounts().find((mount) => mount.path === path)
  if (mounted?.type !== 'hugetlbfs') {
    const what = mounted === undefined ? 'nothing is mounted there' : `it is a ${mounted.type}`
    throw new PinfoldError(`${path} is no hugetlbfs: ${what}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { path, type: mounted?.type },
      hint: ownCommand('hugepages show'),
    })
  }
  const files = listFiles(path)
  const users = findFileUsers(path)
  if (users.length > 0) {
    const names = users.map(({ pid, command }) => `${command} (${pid})`).join(', ')
    throw new PinfoldError(`${path} is in use by ${names}`, { code: 'ERR_SYSTEM', values: { path, users } })
  }
  const [below] = readMounts().filter((mount) => mount.path.startsWith(`${path}/`))
  if (below !== undefined) {
    throw new PinfoldError(`${path} is in use: ${below.path} is mounted below it`, {
      code: 'ERR_SYSTEM',
      values: { path, below: below.path },
    })
  }
  if (files.length > 0 && !discardFiles) {
    const shown = files.slice(0, 3).join(', ') + (files.length > 3 ? ', …' : '')
    throw new PinfoldError(
      `${path} contains ${files.length === 1 ? 'a file' : `${files.length} files`} (${shown}) that would be lost`,
      {
        code: 'ERR_SYSTEM',
        values: { path, files },
        hint: ownCommand(`hugepages unmount ${quoteWords([path])} --discard-files`),
      },
    )
  }
  const command = ['umount', '--', path] as const
  if (!dryRun) runMountCommand(command)
  return { schema: 'pinfold/hugepages-unmount/1', dryRun, path, files, command }
}

function listFiles(path: string): string[] {
  try {
    return readdirSync(path)
  } catch (error) {
    const isDenied = error instanceof Error && 'code' in error && error.code === 'EACCES'
    throw toPinfoldError(error, isDenied ? 'ERR_PERMISSION' : 'ERR_SYSTEM')
  }
}
