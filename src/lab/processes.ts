import { onPath, type Program } from './parts.js'

/** The environment of a program. It tells a program from the cache where its libraries are. */
export function emulatorEnvironment({ libraries }: Program): NodeJS.ProcessEnv {
  if (libraries.length === 0) return process.env
  const inherited = process.env.LD_LIBRARY_PATH
  return { ...process.env, LD_LIBRARY_PATH: [...libraries, ...(inherited ? [inherited] : [])].join(':') }
}

/**
 * Extends a command so that the kernel kills it when this process ends in any way, by SIGKILL, too. setpriv(1) does
 * this, which util-linux contains. Without setpriv, the guest notices that its control port is closed, and powers off.
 */
export function dyingWithUs(command: readonly string[]): readonly string[] {
  const setpriv = onPath('setpriv')
  return setpriv === undefined ? command : [setpriv, '--pdeathsig', 'KILL', '--', ...command]
}
