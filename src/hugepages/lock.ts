import { closeSync, constants, fstatSync, mkdirSync } from 'node:fs'
import { constants as system } from 'node:os'
import { isSystemFailure, PinfoldError, toPinfoldError } from '../errors.js'
import { native } from '../native.js'
import { readKernelFile } from '../system/kernel-files.js'
import { processState } from './owner.js'
import { checkDirectory, journalDirectory, openPlainFile } from './plain-files.js'

const { EINTR } = system.errno

/** What whoever changes a pool through pinfold holds. */
export const poolLockFile = `${journalDirectory}/hugepages.lock`

/** How long its holder is waited for, in milliseconds: raising a large pool of scattered memory takes many seconds. */
export interface LockPatience {
  readonly running: number
  /** One that is stopped (SIGSTOP, a debugger) may stay so for ever. */
  readonly stopped: number
}

const usualPatience: LockPatience = { running: 30_000, stopped: 3000 }

/**
 * Takes the pool lock, waiting for its turn. Closing the descriptor gives it up.
 *
 * @param hint the command that does by hand what the lock is wanted for, for the error of a caller who may not
 * @throws PinfoldError `ERR_PERMISSION`; `ERR_POOL_CHANGE_BUSY` when its holder keeps it for too long, or a signal
 *   comes that the program listens to; `ERR_SYSTEM` when something else lies in its place
 */
export function takePoolLock(hint: string | undefined, patience = usualPatience): number {
  while (true) {
    const file = openLock(hint)
    try {
      lock(file, patience)
      // Not of a file that was removed while we waited: others lock the one that lies there now.
      if (fstatSync(file).nlink > 0) return file
    } catch (error) {
      closeSync(file)
      throw error
    }
    closeSync(file)
  }
}

function lock(file: number, patience: LockPatience): void {
  const begin = performance.now()
  let stoppedAt: number | undefined
  try {
    native.lockFile(file, () => {
      const now = performance.now()
      const holder = lockHolder(file)
      const state = holder === undefined ? undefined : processState(holder)
      const isStopped = state === 'T' || state === 't'
      stoppedAt = isStopped ? (stoppedAt ?? now) : undefined
      if (stoppedAt !== undefined && now - stoppedAt >= patience.stopped) throw busy(holder, now - begin, true)
      if (now - begin >= patience.running) throw busy(holder, now - begin, false)
    })
  } catch (error) {
    if (!isSystemFailure(error) || error.errno !== EINTR) throw error
    const holder = lockHolder(file)
    const signal = Object.entries(system.signals).find(([, number]) => number === error.values?.signal)?.[0]
    throw new PinfoldError(`${signal} came while ${named(holder)} was waited for, which changes a hugepage pool`, {
      code: 'ERR_POOL_CHANGE_BUSY',
      syscall: 'flock',
      errno: EINTR,
      values: { holder, signal },
      cause: error,
    })
  }
}

function busy(holder: number | undefined, milliseconds: number, stopped: boolean): PinfoldError {
  const seconds = Math.round(milliseconds / 1000)
  const what = stopped ? ', and is stopped' : ''
  const hint =
    holder === undefined
      ? `sudo fuser -v ${poolLockFile}`
      : stopped
        ? `sudo kill -CONT ${holder}`
        : `ps -o pid,stat,etime,args -p ${holder}`
  return new PinfoldError(`${named(holder)} has had the lock on hugepage pools for ${seconds} s${what}`, {
    code: 'ERR_POOL_CHANGE_BUSY',
    values: { holder, stopped, path: poolLockFile },
    hint,
  })
}

function named(holder: number | undefined): string {
  return holder === undefined ? 'a process of another PID namespace' : `process ${holder}`
}

/** Who has a file locked, as proc_locks(5) tells it: '1: FLOCK  ADVISORY  WRITE 4711 00:18:53 0 EOF'. */
function lockHolder(file: number): number | undefined {
  const { dev, ino } = fstatSync(file, { bigint: true })
  // gnu_dev_major(3) and gnu_dev_minor(3)
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn)
  const hex = (number: bigint) => number.toString(16).padStart(2, '0')
  const pattern = new RegExp(`^\\d+: FLOCK +\\S+ +\\S+ +(\\d+) ${hex(major)}:${hex(minor)}:${ino} `, 'm')
  const pid = pattern.exec(readKernelFile('/proc/locks') ?? '')?.[1]
  return pid === undefined || pid === '0' ? undefined : Number(pid)
}

function openLock(hint: string | undefined): number {
  try {
    makeDirectory()
    checkDirectory()
    const { O_RDWR, O_CREAT } = constants
    const file = openPlainFile(poolLockFile, O_RDWR | O_CREAT, 0o600)
    if (file !== undefined) return file
  } catch (error) {
    if (!isDenied(error)) throw toPinfoldError(error)
    throw new PinfoldError(`hugepage pools are changed under a lock in ${journalDirectory}, ${whyDenied(error)}`, {
      code: 'ERR_PERMISSION',
      values: { path: journalDirectory },
      hint,
      cause: error,
    })
  }
  throw new PinfoldError(`${journalDirectory} was removed while a lock was made in it`, { code: 'ERR_SYSTEM' })
}

/** Not with its parents: /run is there, and where it is read-only, a recursive mkdir says that something is missing. */
function makeDirectory(): void {
  try {
    mkdirSync(journalDirectory, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

function isDenied(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error) ?? '')
}

function whyDenied(error: unknown): string {
  return codeOf(error) === 'EROFS' ? 'which is on a read-only file system' : 'which only root may do'
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
