// `npm run bench -- [suite …] [--json FILE] [--strict] [--list]`. See docs/benchmarks.md.
import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PinfoldError } from '../src/errors.js'
import { borrowHugepages, readPool } from '../src/hugepages/index.js'
import { MiB } from '../src/sizes.js'
import { type Row, rowSchema } from './row.js'
import { loadSuite, suiteNames } from './suites.js'
import { table } from './table.js'

const usage = `npm run bench -- [suite ...] [--json FILE] [--strict] [--list]

  suite          which to run, all when none is named: ${suiteNames().join(', ')}
  --json FILE    also write the rows to a file
  --strict       exit with 1 when a target is missed or a row could not be measured
  --list         say what the suites measure, and run none
`

interface Command {
  readonly suites: readonly string[]
  readonly json: string | undefined
  readonly strict: boolean
}

async function main(): Promise<number> {
  const command = await readCommand()
  if (typeof command === 'number') return command
  process.stdout.write(`${machine()}\n`)
  using _loan = await borrow(command.suites)
  const rows: Row[] = []
  for (const name of command.suites) {
    process.stdout.write(`\n${name}  (load ${loadavg()[0]?.toFixed(2)})\n`)
    const measured = await runSuite(name)
    process.stdout.write(table(measured))
    rows.push(...measured)
  }
  const missed = rows.filter((row) => row.met === false)
  const judged = rows.filter((row) => row.met !== null)
  process.stdout.write(`\n${judged.length - missed.length} of ${judged.length} targets met\n`)
  if (command.json !== undefined) {
    const document = { schemaVersion: 1, machine: machine(), measured: new Date().toISOString(), rows }
    writeFileSync(command.json, `${JSON.stringify(document, undefined, 2)}\n`)
  }
  return command.strict && (missed.length > 0 || rows.some((row) => row.value === null)) ? 1 : 0
}

/** The checked command, or the exit status if there is nothing to run. */
async function readCommand(): Promise<Command | number> {
  const options = {
    json: { type: 'string' },
    strict: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const
  const known = suiteNames()
  let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>
  try {
    parsed = parseArgs({ options, allowPositionals: true })
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
  const unknown = parsed.positionals.filter((name) => !known.includes(name))
  if (unknown.length > 0) return refuse(`no suite ${unknown.join(', ')}; there are ${known.join(', ')}`)
  if (parsed.values.help) {
    process.stdout.write(usage)
    return 0
  }
  if (parsed.values.list) {
    for (const name of known) process.stdout.write(`${name.padEnd(14)} ${(await loadSuite(name)).about}\n`)
    return 0
  }
  const suites = parsed.positionals.length === 0 ? known : parsed.positionals
  return { suites, json: parsed.values.json, strict: parsed.values.strict }
}

function refuse(why: string): number {
  process.stderr.write(`${why}\n\n${usage}`)
  return 2
}

/**
 * Borrows as many hugepages as the suites need. It does not count on free hugepages, since other programs may be about
 * to use them. If the hugepages cannot be borrowed, the suites use the free ones, and rows that find too few say so.
 */
async function borrow(names: readonly string[]): Promise<Disposable> {
  const suites = await Promise.all(names.map(loadSuite))
  const pages = Math.max(...suites.map((suite) => suite.hugepages))
  const nothing = { [Symbol.dispose]: () => {} }
  if (pages === 0) return nothing
  try {
    return borrowHugepages({ pageSize: 2 * MiB, pages })
  } catch (error) {
    if (!(error instanceof PinfoldError)) throw error
    const { free } = readPool(2 * MiB)
    if (free < pages) {
      process.stdout.write(`${pages} hugepages of 2 MiB are wanted and ${free} are free: ${error.message}\n`)
      if (error.hint !== undefined) process.stdout.write(`  ${error.hint}\n`)
    }
    return nothing
  }
}

async function runSuite(name: string): Promise<Row[]> {
  const { parts = [''] } = await loadSuite(name)
  const rows: Row[] = []
  for (const part of parts) rows.push(...(await runPart(name, part)))
  return rows
}

async function runPart(name: string, part: string): Promise<Row[]> {
  const script = fileURLToPath(new URL('run-suite.ts', import.meta.url))
  const rows: Row[] = []
  const child = fork(script, [name, part], { execArgv: [...process.execArgv, '--expose-gc'] })
  child.on('message', (message) => rows.push(rowSchema.parse(message)))
  const status = await new Promise<number | string>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  })
  if (status !== 0) throw new Error(`suite ${name} ended with ${status}`)
  return rows
}

function machine(): string {
  const [cpu] = cpus()
  return `Node ${process.versions.node}, Linux ${release()}, ${cpus().length} x ${cpu?.model ?? process.arch}`
}

process.exitCode = await main()
