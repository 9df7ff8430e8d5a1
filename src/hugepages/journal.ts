import { randomUUID } from 'node:crypto'
import { closeSync, constants, fstatSync, ftruncateSync, readdirSync, readSync, unlinkSync, writeSync } from 'node:fs'
import * as z from 'zod'
import { PinfoldError, toPinfoldError } from '../errors.js'
import { native } from '../native.js'
import type { PoolShare } from './counters.js'
import { checkDirectory, fileIdentity, journalDirectory, openPlainFile, refusal } from './plain-files.js'

// One file per loan, one line per step, each written before the step that it announces. A line is appended by one
// write, so that a kill -9 leaves a file that tells exactly how far the loan had come. The borrower keeps the file
// locked (flock) as long as it lives: the kernel drops the lock with the process or worker, however that dies, also
// when its pid is given to another, and also across pid namespaces that share this /run.

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = constants

/** Of the steps below. */
export const journalVersion = 2

/** More bytes than a journal ever has: some hundred nodes in each of its steps. */
const mostBytes = 2 ** 17

const count = z.lazy(() => z.int().nonnegative())
const shares = z.lazy(() =>
  z.array(z.strictObject({ node: count.optional(), pages: count }).transform(toShare)).max(1024),
)

/** The node is named also where it is undefined, as on a kernel without NUMA. */
function toShare({ node, pages }: { readonly node?: number | undefined; readonly pages: number }): PoolShare {
  return { node, pages }
}

/** Which file the pool lock was under which the step was taken. */
const lock = z.lazy(() => z.string().max(64))

const ownerSchema = z.lazy(() =>
  z.strictObject({
    pid: count,
    thread: count,
    startTime: count,
    pidNamespace: count.nullable(),
    timeNamespace: count.nullable(),
  }),
)

const raiseSchema = z.lazy(() =>
  z.strictObject({
    step: z.literal('raise'),
    version: z.literal(journalVersion),
    /** Which file this is (device and inode): the lock of a copy of it tells nothing. */
    file: z.string().max(64),
    /** /proc/sys/kernel/random/boot_id: where /run outlives a boot, the loan has not. */
    boot: z.string().max(64),
    lock,
    owner: ownerSchema,
    pageSize: z.int().positive(),
    /** Own pages that the pool is to gain. */
    pages: count,
    /** Own pages of every node before the growth. */
    before: shares,
  }),
)

const stepSchema = z.lazy(() =>
  z.discriminatedUnion('step', [
    z.strictObject({ step: z.literal('raised'), shares }),
    z.strictObject({ step: z.literal('return'), lock, before: shares, shares }),
  ]),
)

/** The first line: the pool is about to grow. */
export type RaiseStep = Readonly<z.infer<typeof raiseSchema>>

/**
 * Of the others, 'raised' says that it has grown, by `shares`. 'return' that `shares` are about to be taken off again,
 * the pools being as in `before`; then the file goes.
 */
type Step = RaiseStep | Readonly<z.infer<typeof stepSchema>>

/** What a journal tells. */
export interface Loan {
  readonly raise: RaiseStep
  /** The newest step; 'raised' while a borrower has its pages, the others while the pool lock is held. */
  readonly last: Step
}

/** What a file of journals holds: a loan, one of another version of pinfold, or nothing that was begun. */
export type JournalContents = Loan | 'foreign' | 'empty'

/** An open journal. Whoever has made or locked it owns the loan. */
export class Journal {
  readonly path: string
  readonly #file: number
  /** Bytes of whole lines. */
  #size = 0
  #contents: JournalContents = 'empty'

  private constructor(path: string, file: number) {
    this.path = path
    this.#file = file
  }

  /** A new journal, locked by us. */
  static create(): Journal {
    const path = `${journalDirectory}/loan-${process.pid}-${randomUUID()}`
    const file = openPlainFile(path, O_CREAT | O_EXCL | O_RDWR | O_APPEND, 0o600)
    if (file === undefined) throw refusal(path, 'cannot be made, since its directory is gone', 'rm')
    const journal = new Journal(path, file)
    journal.tryLock()
    return journal
  }

  /**
   * An existing journal with what it tells; not locked. undefined when it is gone by now.
   *
   * @throws PinfoldError `ERR_SYSTEM` for what is no journal, with the command that removes it
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

  /** Names this very file. */
  get identity(): string {
    return fileIdentity(this.#file)
  }

  /** Whether it was removed, by whoever has settled it. */
  get isRemoved(): boolean {
    return fstatSync(this.#file).nlink === 0
  }

  /** Locks the journal, unless its borrower lives and has it locked. */
  tryLock(): boolean {
    return native.lockFile(this.#file)
  }

  append(step: Step): void {
    const line = Buffer.from(`${JSON.stringify(step)}\n`)
    // What stands behind the last whole line was being written when its writer died.
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

  /** The loan is settled: nothing is left to tell. */
  remove(): void {
    try {
      unlinkSync(this.path)
    } catch (error) {
      // By hand, while its owner lived: the loan is settled all the same.
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

/** The journals that lie there, settled or not; none where the directory is not, or is not ours to see. */
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

/** Why a file is no journal. */
class JournalError extends Error {}

/**
 * What a journal's lines tell; a last line without its end was never acted upon, and is passed over.
 *
 * @throws Error that says in which line, and why, it is no journal
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

function stepOf<Schema extends z.ZodType>(schema: Schema, line: unknown, number: number): z.output<Schema> {
  const result = schema.safeParse(line)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new JournalError(`line ${number}: ${issue?.path.map(String).join('.') || 'no step of a loan'}`)
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
