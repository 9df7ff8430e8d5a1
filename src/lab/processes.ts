import { onPath, type Program } from './parts.js'

/** Where a program out of the cache finds its libraries. */
export function emulatorEnvironment({ libraries }: Program): NodeJS.ProcessEnv {
  if (libraries.length === 0) return process.env
  const inherited = process.env.LD_LIBRARY_PATH
  return { ...process.env, LD_LIBRARY_PATH: [...libraries, ...(inherited ? [inherited] : [])].join(':') }
}

/**
 * A command that the kernel kills when this process ends by any means, SIGKILL too: by setpriv(1), which util-linux has
 * everywhere. Without it, the guest notices that its control port has ended, and powers off.
 */
export function dyingWithUs(command: readonly string[]): readonly string[] {
  const setpriv = onPath('setpriv')
  return setpriv === undefined ? command : [setpriv, '--pdeathsig', 'KILL', '--', ...command]
}
