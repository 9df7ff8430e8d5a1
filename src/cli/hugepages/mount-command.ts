import { spawnSync } from 'node:child_process'
import { PinfoldError } from '../../errors.js'
import { quoteWords, sudo } from '../shell-command.js'

/** Where the system's own programs are: never a folder that the caller's PATH put first, since this runs as root. */
export const systemPath = '/usr/sbin:/usr/bin:/sbin:/bin'

/** Runs mount(8) or umount(8). No shell: each word reaches it as it is. */
export function runMountCommand(words: readonly [command: 'mount' | 'umount', ...words: string[]]): void {
  const [command, ...rest] = words
  const hint = `${sudo}${quoteWords(words)}`
  const { error, status, stderr } = spawnSync(command, rest, {
    encoding: 'utf8',
    env: { PATH: systemPath, LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  if (error !== undefined) {
    throw new PinfoldError(`${command}(8) could not be run: ${error.message}`, {
      code: 'ERR_UNSUPPORTED',
      cause: error,
    })
  }
  if (status === 0) return
  // util-linux says 'must be superuser', busybox and a mount in a container 'permission denied'
  const isDenied = /superuser|permission denied|not permitted/i.test(stderr)
  const [sentence = `${command} ended with ${status}`] = stderr.trim().split('\n')
  throw new PinfoldError(sentence.replace(/\.$/, ''), {
    code: isDenied ? 'ERR_PERMISSION' : 'ERR_SYSTEM',
    syscall: command === 'mount' ? 'mount' : 'umount2',
    values: { command: words, status },
    ...(isDenied && sudo !== '' ? { hint } : {}),
  })
}
