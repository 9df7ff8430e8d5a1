import { closeSync, constants, fstatSync, mkdirSync } from 'node:fs'
import { constants as system } from 'node:os'
import { isSystemFailure, PinfoldError, toPinfoldError } from '../errors.js'
import { native } from '../native.js'
import { readKernelFile } from '../system/kernel-files.js'
import { processState } from './owner.js'
import { checkDirectory, journalDirectory, openPlainFile } from './plain-files.js'

const { EINTR } = system.errno

/** The file that pinfold locks while it changes a pool. */
export const poolLockFile = `${journalDirectory}/hugepages.lock`

/**
 * How long a caller waits for the lock, in milliseconds: raising a large pool of scattered memory takes many seconds.
 */
export interface LockPatience {
  /** While the holder runs. */
  readonly running: number
  /** While the holder is stopped (SIGSTOP, a debugger), possibly for ever. */
  readonly stopped: number
}

const usualPatience: LockPatience = { running: 30_000, stopped: 3000 }

/**
 * Takes the pool lock, waiting for it. Closing the descriptor releases it.
 *
 * @param hint the command that does the caller's change by hand, for the error of a caller without permission
 * @throws PinfoldError `ERR_PERMISSION`; `ERR_POOL_CHANGE_BUSY` when the holder keeps the lock for too long, or a
 *   signal arrives that the program listens to; `ERR_SYSTEM` when the lock's file is something else
 */
export function takePoolLock(hint: string | undefined, patience = usualPatience): number {
  while (true) {
    const file = openLock(hint)
    try {
      lock(file, patience)
      // If the file was removed while we waited, other processes lock its successor.
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

/** The process that holds the lock, from proc_locks(5): '1: FLOCK  ADVISORY  WRITE 4711 00:18:53 0 EOF'. */
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

/** Without its parents: /run exists, and where /run is read-only, a recursive mkdir fails with a misleading error. */
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
