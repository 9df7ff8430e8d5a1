import { randomUUID } from 'node:crypto'
import { closeSync, constants, openSync, readdirSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { PinfoldError, toPinfoldError } from '../errors.js'
import { native } from '../native.js'
import type { PoolShare } from './hugepage-counters.js'

// One file per loan, one line per step, each written before the step that it announces. A line is appended by one
// write, so that a kill -9 leaves a file that tells exactly how far the loan had come. The borrower keeps the file
// locked (flock) as long as it lives: the kernel drops the lock with the process or worker, however that dies, also
// when its pid is given to another, and also across pid namespaces that share this /run.

/** Where journals lie: a tmpfs, gone with the boot, as the pools are. Root's own. */
export const journalDirectory = '/run/pinfold'

/** Of the steps below. */
export const journalVersion = 1

/** The first line: the pool is about to grow. */
export interface RaiseStep {
  readonly step: 'raise'
  readonly version: number
  /** /proc/sys/kernel/random/boot_id: where /run outlives a boot, the loan has not. */
  readonly boot: string
  /** Who borrowed, for people to read: a pid may be used again, pid and start time together are not. */
  readonly pid: number
  /** Clock ticks after boot (proc_pid_stat(5), field 22). */
  readonly startTime: number
  readonly pageSize: number
  /** Own pages that the pool is to gain. */
  readonly pages: number
  /** Own pages of every node before the growth. */
  readonly before: readonly PoolShare[]
}

/** The second: it has grown, by `shares`. */
export interface RaisedStep {
  readonly step: 'raised'
  readonly shares: readonly PoolShare[]
}

/** The last: `shares` are about to be taken off again, the pools being as in `before`. Then the file goes. */
export interface ReturnStep {
  readonly step: 'return'
  readonly before: readonly PoolShare[]
  readonly shares: readonly PoolShare[]
}

type Step = RaiseStep | RaisedStep | ReturnStep

/** What a journal tells. */
export interface Loan {
  readonly raise: RaiseStep
  /** The newest step; 'raised' while a borrower has its pages, the others while the pool lock is held. */
  readonly last: Step
}

/** An open journal. Whoever has made or locked it owns the loan. */
export class Journal {
  readonly path: string
  readonly #file: number

  private constructor(path: string, file: number) {
    this.path = path
    this.#file = file
  }

  /** A new journal, locked by us. */
  static create(pid: number): Journal {
    const { O_CREAT, O_EXCL, O_RDWR, O_APPEND } = constants
    const path = `${journalDirectory}/loan-${pid}-${randomUUID()}`
    const journal = new Journal(path, openSync(path, O_CREAT | O_EXCL | O_RDWR | O_APPEND, 0o600))
    native.lockFile(journal.#file, true)
    return journal
  }

  /** An existing journal; not locked. */
  static open(path: string): Journal {
    return new Journal(path, openSync(path, constants.O_RDWR | constants.O_APPEND))
  }

  /** Locks the journal, unless its borrower lives and has it locked. */
  tryLock(): boolean {
    return native.lockFile(this.#file, false)
  }

  append(step: Step): void {
    writeSync(this.#file, `${JSON.stringify(step)}\n`)
  }

  /** undefined when not even the first line is whole: then nothing was done yet. */
  read(): Loan | undefined {
    return readJournal(this.path)
  }

  /** The loan is settled: nothing is left to tell. */
  remove(): void {
    unlinkSync(this.path)
    closeSync(this.#file)
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** The journals that lie there, settled or not; none where the directory is not, or is not ours to see. */
export function journalPaths(): string[] {
  return listDirectory()
    .filter((name) => name.startsWith('loan-'))
    .sort()
    .map((name) => `${journalDirectory}/${name}`)
}

/** undefined when the journal is gone, or tells of nothing. */
export function readJournal(path: string): Loan | undefined {
  try {
    return parseJournal(readFileSync(path, 'utf8'))
  } catch (error) {
    // A borrower may give back between our listing and our reading.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    // Never written by us so: whoever has put it there must say what is to become of it.
    if (error instanceof SyntaxError) throw unreadable(path, error)
    throw toPinfoldError(error)
  }
}

function unreadable(path: string, cause: SyntaxError): PinfoldError {
  return new PinfoldError(`${path} is no journal of a hugepage loan: ${cause.message}`, {
    code: 'ERR_SYSTEM',
    values: { path },
    hint: `sudo rm ${path}`,
    cause,
  })
}

function listDirectory(): string[] {
  try {
    return readdirSync(journalDirectory)
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EACCES')) return []
    throw toPinfoldError(error)
  }
}

/** The loan that a journal's lines tell; a last line without its end was never acted upon, and is passed over. */
export function parseJournal(text: string): Loan | undefined {
  const steps = text
    .split('\n')
    .slice(0, -1)
    .map((line): Step => JSON.parse(line))
  const [raise] = steps
  const last = steps.at(-1)
  return raise?.step === 'raise' && last !== undefined ? { raise, last } : undefined
}
