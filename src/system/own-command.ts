import { delimiter, isAbsolute, join } from 'node:path'
import { isProgram } from './programs.js'

// Commands of pinfold itself, as a person can type them: in hints of errors, and in what the commands print.

type Environment = Readonly<Record<string, string | undefined>>

/**
 * A command line that runs pinfold: ownCommand('devices') is 'npx pinfold devices' if npx has started this program, or
 * if the person's PATH contains no pinfold; otherwise 'pinfold devices'.
 */
export function ownCommand(words: string): string {
  return `${ownProgram()} ${words}`
}

/** The first words of such a command line. */
export function ownProgram(
  environment: Environment = process.env,
  isInstalled: (path: string) => boolean = isProgram,
): 'pinfold' | 'npx pinfold' {
  // npm sets this variable for `npx` and `npm exec`.
  if (environment.npm_command === 'exec') return 'npx pinfold'
  const isOnPath = personsPath(environment).some((folder) => isInstalled(join(folder, 'pinfold')))
  return isOnPath ? 'pinfold' : 'npx pinfold'
}

/**
 * The folders of PATH that a person's shell has, too. A package manager that runs a script adds its node_modules/.bin
 * folders for this run, and sets npm_config_user_agent (npm, yarn, pnpm and Bun do).
 */
function personsPath({ PATH = '', npm_config_user_agent }: Environment): string[] {
  const folders = PATH.split(delimiter).filter(isAbsolute)
  return npm_config_user_agent === undefined
    ? folders
    : folders.filter((folder) => !/\/node_modules\/\.bin\/?$/.test(folder))
}
