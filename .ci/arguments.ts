import { parseArgs } from 'node:util'

/**
 * The names after `--only`, all of them known; empty means everything. `--help` prints the usage and ends the process; anything
 * wrong prints it and ends the process with 2.
 */
export function readOnly(known: readonly string[], usage: string): string[] {
  const values = parseOptions(usage)
  if (values.help) {
    console.log(usage)
    process.exit(0)
  }
  const only = values.only.split(',').filter((name) => name !== '')
  const unknown = only.filter((name) => !known.includes(name))
  if (unknown.length > 0) refuse(`--only ${unknown.join(',')}: there is no such suite`, usage)
  return only
}

function parseOptions(usage: string) {
  try {
    const only = { type: 'string', default: '' } as const
    return parseArgs({ options: { only, help: { type: 'boolean' } } }).values
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error), usage)
  }
}

function refuse(why: string, usage: string): never {
  console.error(`${why}\n\n${usage}`)
  process.exit(2)
}
