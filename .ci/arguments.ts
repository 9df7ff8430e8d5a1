import { parseArgs } from 'node:util'

export interface Wanted {
  /** The suites or platforms after `--only`, all of them known; empty means all. */
  readonly only: readonly string[]
  /** Whether `--quick` was given. */
  readonly quick: boolean
}

/**
 * Reads the command line. `--help` prints the usage and ends the process. A wrong argument prints it, too, and ends the
 * process with status 2.
 *
 * @param takesQuick whether `--quick` is an option of the command
 */
export function readWanted(known: readonly string[], usage: string, takesQuick = false): Wanted {
  const values = parseOptions(usage)
  if (values.help) {
    console.log(usage)
    process.exit(0)
  }
  const only = values.only.split(',').filter((name) => name !== '')
  const unknown = only.filter((name) => !known.includes(name))
  if (unknown.length > 0) refuse(`--only ${unknown.join(',')}: there is nothing of this name`, usage)
  if (values.quick && !takesQuick) refuse('--quick is an option of npm test alone', usage)
  if (values.quick && only.length > 0) refuse('--quick and --only exclude each other', usage)
  return { only, quick: values.quick }
}

function parseOptions(usage: string) {
  try {
    const only = { type: 'string', default: '' } as const
    const quick = { type: 'boolean', default: false } as const
    return parseArgs({ options: { only, quick, help: { type: 'boolean' } } }).values
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error), usage)
  }
}

function refuse(why: string, usage: string): never {
  console.error(`${why}\n\n${usage}`)
  process.exit(2)
}
