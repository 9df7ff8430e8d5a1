import { statSync } from 'node:fs'
import { PinfoldError } from '../errors.js'
import { parseStatField, readKernelFile } from '../system/kernel-files.js'

/**
 * What the kernel calls a thread, as the thread writes it down for the threads of any process to look whether it lives.
 *
 * A number alone says little: it is given out again, and means another thread in each pid namespace. When the thread
 * started tells it from a later one of the same number, but the clock of that has an offset in each time namespace
 * (time_namespaces(7)), and the first namespaces have the same inodes on every machine.
 */
export interface ThreadIdentity {
  /** Its number (gettid(2)) in its own pid namespace. */
  readonly number: number
  /** Clock ticks from boot to its start, as its time namespace counts them. */
  readonly start: number
  /** The inode of its pid namespace. */
  readonly pidNamespace: number
  /** The inode of its time namespace; 0 when /proc tells others another start than it tells the thread itself. */
  readonly timeNamespace: number
  /** A hash of the boot's id, which tells machines apart too. */
  readonly boot: number
}

/** What keeps a thread from knowing whether another one lives. */
export type Doubt = 'boot' | 'pid namespace' | 'time namespace' | '/proc'

/** Whether a thread lives. With a doubt it may be dead, and counts as alive. */
export type Liveness = 'alive' | 'dead' | Doubt

/** As an error says it, behind 'whether it lives is not known here: '. */
export const doubts: Readonly<Record<Doubt, string>> = {
  boot: 'it is of another machine, or of another boot of this one',
  'pid namespace': 'it is of another pid namespace',
  'time namespace': 'it is of another time namespace',
  '/proc': '/proc does not show it as it is',
}

interface Self extends ThreadIdentity {
  /** Whether /proc has the numbers of this thread's pid namespace, and shows this thread to others as it is. */
  readonly canSee: boolean
}

let known: Self | undefined

/**
 * This thread. Each thread has modules of its own, so it is asked for once.
 *
 * @throws PinfoldError `ERR_UNSUPPORTED` without a /proc that shows it; `ERR_SYSTEM`, `ERR_PERMISSION`
 */
export function thisThread(): ThreadIdentity {
  return self()
}

function self(): Self {
  known ??= readSelf()
  return known
}

function readSelf(): Self {
  const stat = readKernelFile('/proc/thread-self/stat')
  if (stat === undefined) {
    throw new PinfoldError('this needs a /proc that shows its threads: they are told apart by it', {
      code: 'ERR_UNSUPPORTED',
    })
  }
  const start = parseStatField(stat, 22)
  // The thread's numbers from the pid namespace of this /proc down to its own: one, where both are the same.
  const numbers = /^NSpid:(.*)$/m
    .exec(readKernelFile('/proc/thread-self/status') ?? '')?.[1]
    ?.trim()
    .split(/\s+/)
  const isOwnProc = (numbers?.length ?? 1) === 1
  const number = Number(numbers?.at(-1) ?? Number.parseInt(stat, 10))
  const isShown = !isOwnProc || startOf(statOf(number)) === start
  return {
    number,
    start,
    pidNamespace: namespaceInode('pid'),
    timeNamespace: isShown ? namespaceInode('time') : 0,
    boot: hashOf(readKernelFile('/proc/sys/kernel/random/boot_id') ?? ''),
    canSee: isOwnProc && isShown,
  }
}

/** 1 where the kernel has no such namespaces. */
function namespaceInode(name: 'pid' | 'time'): number {
  return (statSync(`/proc/thread-self/ns/${name}`, { throwIfNoEntry: false })?.ino ?? 1) | 0
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash
}

/** Whether the thread lives that has written this of itself. */
export function livenessOf(them: ThreadIdentity): Liveness {
  const { boot, pidNamespace, timeNamespace } = self()
  if (them.boot !== boot) return 'boot'
  if (them.pidNamespace !== pidNamespace) return 'pid namespace'
  const isFaked = timeNamespace === 0 || them.timeNamespace === 0
  if (isFaked) return livenessOfNumber(them.number, undefined, '/proc')
  if (them.timeNamespace !== timeNamespace) return livenessOfNumber(them.number, undefined, 'time namespace')
  return livenessOfNumber(them.number, them.start, '/proc')
}

/**
 * Whether a thread of this pid namespace lives, of which the number is known and, where it can be compared, the start.
 *
 * @param ifThere what a thread of that number says, when its start cannot be compared
 */
export function livenessOfNumber(number: number, start: number | undefined, ifThere: Liveness): Liveness {
  const stat = self().canSee ? statOf(number) : undefined
  // Not shown: it is dead, or hidden (hidepid), or this is the /proc of another namespace. kill(2) knows its numbers.
  if (stat === undefined) return isGone(number) ? 'dead' : ifThere
  const state = stat.charAt(stat.lastIndexOf(')') + 2)
  if (state === 'Z' || state === 'X') return isSeeing() ? 'dead' : '/proc'
  if (start === undefined) return ifThere
  if (startOf(stat) === start) return 'alive'
  return isSeeing() ? 'dead' : '/proc'
}

/** Whether /proc still shows this thread as it is: another may have been mounted there. */
function isSeeing(): boolean {
  const { number, start } = self()
  return startOf(statOf(number)) === start
}

/**
 * As a thread of its process, not as a process of its own: qemu-user answers /proc/PID/stat, when PID is its own, with the
 * start of the thread that reads.
 */
function statOf(number: number): string | undefined {
  try {
    return readKernelFile(`/proc/${number}/task/${number}/stat`)
  } catch {
    return undefined // it ended while it was read, or is hidden: kill(2) tells which
  }
}

function startOf(stat: string | undefined): number | undefined {
  return stat === undefined ? undefined : parseStatField(stat, 22)
}

function isGone(number: number): boolean {
  try {
    process.kill(number, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}
