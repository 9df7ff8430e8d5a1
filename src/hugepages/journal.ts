import { closeSync, constants, fstatSync, ftruncateSync, readdirSync, readSync, unlinkSync, writeSync } from 'node:fs'
import * as z from 'zod/mini'
import { PinfoldError, toPinfoldError } from '../errors.js'
import { native } from '../native.js'
import { later } from '../options.js'
import type { PoolShare } from './counters.js'
import type { LoanOwner } from './owner.js'
import { checkDirectory, fileIdentity, journalDirectory, openPlainFile, refusal } from './plain-files.js'

// One file for each loan, one line for each step. A line is appended by one write, before the change that it announces,
// so that a kill -9 leaves a file that says exactly how far the loan had come. The borrower keeps the file locked
// (flock) as long as it lives: the kernel drops the lock with the process or worker, however that dies, also when its
// pid is given to another process, and also across pid namespaces that share this /run.
//
// The states of a loan, by the last whole line of its journal. Only the holder of the pool lock writes a line, so that
// at most one loan is in the midst of a step ('raise' or 'return').
//
// | last line  | the pool                          | if the borrower dies now, it leaves       | repair takes off     |
// |------------|-----------------------------------|-------------------------------------------|----------------------|
// | none       | unchanged                         | an empty file                             | nothing              |
// | 'raise'    | grows, by up to `pages`           | 0 to `pages` pages more than in `before`  | pages above `before` |
// | 'raised'   | has grown by `shares`; lent       | `shares` pages more                       | `shares`             |
// | 'return'   | shrinks, by `shares`              | part of `shares`, above `before - shares` | the rest above that  |
// | (no file)  | as it was before the loan         | nothing: the loan is settled              | nothing              |
//
// The transitions: `new OwnLoan` writes 'raise', grows the pool, and writes 'raised'; `settle` writes 'return', shrinks
// the pool, and removes the file. A borrower that fails on the way settles at once. For a borrower that died, the next
// caller that takes the pool lock does so, before it changes anything else (open-loans.ts, repairAll). `owedShares` is
// the last column. Repair may be killed at any point itself: it starts with its own 'return' line, and the next repair
// goes on.

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = constants

/** The version of the steps below. */
export const journalVersion = 2

/** A journal never has more bytes, even with some hundred nodes in each of its steps. */
const mostBytes = 2 ** 17

const count = later(() => z.int().check(z.nonnegative()))
const shares = later(() =>
  z
    .array(z.pipe(z.strictObject({ node: z.optional(count), pages: count }), z.transform(toShare)))
    .check(z.maxLength(1024)),
)

/** The property `node` is always there; it is undefined on a kernel without NUMA. */
function toShare({ node, pages }: { readonly node?: number | undefined; readonly pages: number }): PoolShare {
  return { node, pages }
}

/** The identity of the pool lock's file under which the step was taken. */
const lock = later(() => z.string().check(z.maxLength(64)))

const ownerSchema = later(() =>
  z.strictObject({
    pid: count,
    thread: count,
    startTime: count,
    pidNamespace: z.nullable(count),
    timeNamespace: z.nullable(count),
  }),
)

const raiseSchema = later(() =>
  z.strictObject({
    step: z.literal('raise'),
    version: z.literal(journalVersion),
    file: z.string().check(z.maxLength(64)),
    boot: z.string().check(z.maxLength(64)),
    lock,
    owner: ownerSchema,
    pageSize: z.int().check(z.positive()),
    pages: count,
    before: shares,
  }),
)

const stepSchema = later(() =>
  z.discriminatedUnion('step', [
    z.strictObject({ step: z.literal('raised'), shares }),
    z.strictObject({ step: z.literal('return'), lock, before: shares, shares }),
  ]),
)

/** The first line: the pool is about to grow. */
export interface RaiseStep {
  readonly step: 'raise'
  readonly version: typeof journalVersion
  /** The identity of this file (device and inode): the lock of a copy says nothing about the borrower. */
  readonly file: string
  /** /proc/sys/kernel/random/boot_id: a /run may outlive a boot, but a loan does not. */
  readonly boot: string
  readonly lock: string
  readonly owner: LoanOwner
  readonly pageSize: number
  /** How many own pages the pool gains. */
  readonly pages: number
  /** Own pages of every node before the growth. */
  readonly before: readonly PoolShare[]
}

/**
 * Any line. 'raised': the pool has grown, by `shares`. 'return': `shares` are about to be taken off pools that are as
 * in `before`; then the file is removed.
 */
type Step =
  | RaiseStep
  | { readonly step: 'raised'; readonly shares: readonly PoolShare[] }
  | {
      readonly step: 'return'
      readonly lock: string
      readonly before: readonly PoolShare[]
      readonly shares: readonly PoolShare[]
    }

/** A loan, as its journal describes it. */
export interface Loan {
  readonly raise: RaiseStep
  /** The newest step: 'raised' while the pages are lent, any other only while a borrower holds the pool lock. */
  readonly last: Step
}

/** What a journal contains: a loan, a loan of another version of pinfold ('foreign'), or no step yet ('empty'). */
export type JournalContents = Loan | 'foreign' | 'empty'

/** An open journal. The thread that created or locked it owns the loan. */
export class Journal {
  readonly path: string
  readonly #file: number
  /** Bytes of the whole lines. */
  #size = 0
  #contents: JournalContents = 'empty'

  private constructor(path: string, file: number) {
    this.path = path
    this.#file = file
  }

  /** Creates a journal and locks it. */
  static create(): Journal {
    const { randomUUID } = process.getBuiltinModule('node:crypto')
    const path = `${journalDirectory}/loan-${process.pid}-${randomUUID()}`
    const file = openPlainFile(path, O_CREAT | O_EXCL | O_RDWR | O_APPEND, 0o600)
    if (file === undefined) throw refusal(path, 'cannot be created, since its directory is gone', 'rm')
    const journal = new Journal(path, file)
    journal.tryLock()
    return journal
  }

  /**
   * Opens an existing journal and reads it, without locking it. Returns undefined when the file has been removed.
   *
   * @throws PinfoldError `ERR_SYSTEM` when the file is no journal, with the command that removes it
   */
  static open(path: string, access: 'read' | 'change' = 'change'): Journal | undefined {
    const file = openPlainFile(path, access === 'read' ? O_RDONLY : O_RDWR | O_APPEND)
    if (file === undefined) return undefined
    const journal = new Journal(path, file)
    try {
      journal.#read()
      return journal
    } catch (error) {
      journal.close()
      throw error
    }
  }

  get contents(): JournalContents {
    return this.#contents
  }

  /** Identifies this file; a copy of it has another identity. */
  get identity(): string {
    return fileIdentity(this.#file)
  }

  /** True if the file was removed: another thread has settled the loan. */
  get isRemoved(): boolean {
    return fstatSync(this.#file).nlink === 0
  }

  /** Locks the journal; false if its borrower lives and holds the lock. */
  tryLock(): boolean {
    return native.lockFile(this.#file)
  }

  append(step: Step): void {
    const line = Buffer.from(`${JSON.stringify(step)}\n`)
    // A writer died while it wrote the text behind the last whole line.
    if (fstatSync(this.#file).size !== this.#size) ftruncateSync(this.#file, this.#size)
    const written = writeSync(this.#file, line)
    if (written < line.length) {
      ftruncateSync(this.#file, this.#size)
      throw new PinfoldError(`${this.path} cannot be written: no space is left`, { code: 'ERR_SYSTEM' })
    }
    this.#size += line.length
    if (step.step === 'raise') this.#contents = { raise: step, last: step }
    else if (typeof this.#contents === 'object') this.#contents = { raise: this.#contents.raise, last: step }
  }

  /** Removes the journal of a loan that is settled. */
  remove(): void {
    try {
      unlinkSync(this.path)
    } catch (error) {
      // Somebody removed it by hand while its owner lived: the loan is settled all the same.
      if (!isCode(error, 'ENOENT')) throw error
    }
    closeSync(this.#file)
  }

  close(): void {
    closeSync(this.#file)
  }

  #read(): void {
    const bytes = Buffer.alloc(mostBytes + 1)
    const length = readSync(this.#file, bytes, 0, bytes.length, 0)
    if (length > mostBytes) throw refusal(this.path, 'is no journal of a hugepage loan: it is too long', 'rm')
    this.#size = bytes.subarray(0, length).lastIndexOf('\n') + 1
    try {
      this.#contents = parseJournal(bytes.toString('utf8', 0, this.#size))
    } catch (error) {
      if (!(error instanceof JournalError)) throw error
      throw refusal(this.path, `is no journal of a hugepage loan: ${error.message}`, 'rm')
    }
  }
}

/** The paths of all journals; none when the directory is missing, or this user may not read it. */
export function journalPaths(): string[] {
  return listDirectory()
    .filter((name) => name.startsWith('loan-'))
    .sort()
    .map((name) => `${journalDirectory}/${name}`)
}

function listDirectory(): string[] {
  try {
    checkDirectory()
    return readdirSync(journalDirectory)
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'EACCES')) return []
    throw toPinfoldError(error)
  }
}

/** Says why a file is no journal. */
class JournalError extends Error {}

/**
 * Reads the lines of a journal. A last line without its end is ignored: nothing was done after it.
 *
 * @throws Error that names the first wrong line and its problem
 */
export function parseJournal(text: string): JournalContents {
  const [first, ...others] = text.split('\n').slice(0, -1).map(parseLine)
  if (first === undefined) return 'empty'
  const { version } = typeof first === 'object' && first !== null && 'version' in first ? first : {}
  if (Number.isSafeInteger(version) && version !== journalVersion) return 'foreign'
  const raise = stepOf(raiseSchema, first, 1)
  const steps = others.map((line, index) => stepOf(stepSchema, line, index + 2))
  for (const [index, step] of steps.entries()) {
    const pages = step.shares.reduce((sum, share) => sum + share.pages, 0)
    if (pages > raise.pages) throw new JournalError(`line ${index + 2}: more pages than were lent`)
  }
  return { raise, last: steps.at(-1) ?? raise }
}

function parseLine(line: string, index: number): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw new JournalError(`line ${index + 1}: no JSON`)
  }
}

function stepOf<Schema extends z.core.$ZodType>(schema: Schema, line: unknown, number: number): z.output<Schema> {
  const result = z.safeParse(schema, line)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new JournalError(`line ${number}: ${issue?.path.map(String).join('.') || 'no step of a loan'}`)
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
