import { spawnSync } from 'node:child_process'
import { PinfoldError } from '../../errors.js'
import { quoteWords, sudo } from '../shell-command.js'

/** The folders of the system's own programs. The caller's PATH is not used, since these programs run as root. */
export const systemPath = '/usr/sbin:/usr/bin:/sbin:/bin'

/** Runs mount(8) or umount(8), without a shell: the program receives each word unchanged. */
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
  // util-linux says 'must be superuser'; busybox, and a mount in a container, say 'permission denied'.
  const isDenied = /superuser|permission denied|not permitted/i.test(stderr)
  const [sentence = `${command} ended with ${status}`] = stderr.trim().split('\n')
  throw new PinfoldError(sentence.replace(/\.$/, ''), {
    code: isDenied ? 'ERR_PERMISSION' : 'ERR_SYSTEM',
    syscall: command === 'mount' ? 'mount' : 'umount2',
    values: { command: words, status },
    ...(isDenied && sudo !== '' ? { hint } : {}),
  })
}
