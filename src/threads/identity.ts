import { statSync } from 'node:fs'
import { PinfoldError } from '../errors.js'
import { parseStatField, readKernelFile } from '../system/kernel-files.js'

/**
 * The kernel's names of a thread, as the thread writes them down, so that the threads of any process can look up
 * whether it lives.
 *
 * A number alone is not enough: the kernel gives it out again, and it means another thread in each pid namespace. The
 * time of the start distinguishes a thread from a later one of the same number, but that clock has an offset in each
 * time namespace (time_namespaces(7)). The first namespaces have the same inodes on every machine, which only the boot
 * tells apart.
 */
export interface ThreadIdentity {
  /** The thread's number (gettid(2)) in its own pid namespace. */
  readonly number: number
  /** Clock ticks from boot to the thread's start, as its time namespace counts them. */
  readonly start: number
  /** The inode of its pid namespace. */
  readonly pidNamespace: number
  /** The inode of its time namespace; 0 if /proc shows other threads another start than it shows the thread itself. */
  readonly timeNamespace: number
  /** A hash of the boot's id, which differs between machines too. */
  readonly boot: number
}

/** Why a thread cannot tell whether another one lives. */
export type Doubt = 'boot' | 'pid namespace' | 'time namespace' | '/proc'

/** Whether a thread lives. With a doubt the thread may be dead, but counts as alive. */
export type Liveness = 'alive' | 'dead' | Doubt

/** The doubts in the words of an error, which come after 'this thread cannot tell whether that one lives: '. */
export const doubts: Readonly<Record<Doubt, string>> = {
  boot: 'it runs on another machine, or ran before this one was booted',
  'pid namespace': 'it is in another pid namespace',
  'time namespace': 'it is in another time namespace',
  '/proc': '/proc hides it, or does not show threads as they are',
}

interface Self extends ThreadIdentity {
  /** True if /proc has the numbers of this thread's pid namespace, and shows this thread to others as it is. */
  readonly canSee: boolean
}

let known: Self | undefined

/**
 * This thread. It is read once: each thread loads modules of its own.
 *
 * @param subject what needs it, as the error names it
 * @throws PinfoldError `ERR_UNSUPPORTED` without a /proc that shows this thread; `ERR_SYSTEM`, `ERR_PERMISSION`
 */
export function thisThread(subject: string): ThreadIdentity {
  return self(subject)
}

function self(subject = 'threads'): Self {
  known ??= readSelf(subject)
  return known
}

function readSelf(subject: string): Self {
  const stat = readKernelFile('/proc/thread-self/stat')
  if (stat === undefined) {
    throw new PinfoldError(`${subject}: expected a /proc that shows this thread: other threads find it there`, {
      code: 'ERR_UNSUPPORTED',
    })
  }
  const start = parseStatField(stat, 22)
  // The thread's numbers from the pid namespace of this /proc down to its own: a single one if both are the same.
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

/** The inode of this thread's namespace; 1 if the kernel has no such namespaces. */
function namespaceInode(name: 'pid' | 'time'): number {
  return (statSync(`/proc/thread-self/ns/${name}`, { throwIfNoEntry: false })?.ino ?? 1) | 0
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash
}

/** Whether the thread lives that wrote this identity. */
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
 * Whether a thread of this pid namespace lives.
 *
 * @param start when the thread started; undefined if that cannot be compared
 * @param ifThere the answer if there is a thread of that number, and its start cannot be compared
 */
export function livenessOfNumber(number: number, start: number | undefined, ifThere: Liveness): Liveness {
  const stat = self().canSee ? statOf(number) : undefined
  // The thread is dead, or hidden (hidepid), or this is the /proc of another namespace. kill(2) takes its numbers.
  if (stat === undefined) return isGone(number) ? 'dead' : ifThere
  const state = stat.charAt(stat.lastIndexOf(')') + 2)
  if (state === 'Z' || state === 'X') return isSeeing() ? 'dead' : '/proc'
  if (start === undefined) return ifThere
  if (startOf(stat) === start) return 'alive'
  return isSeeing() ? 'dead' : '/proc'
}

/** True if /proc still shows this thread as it is: another /proc may have been mounted in its place. */
function isSeeing(): boolean {
  const { number, start } = self()
  return startOf(statOf(number)) === start
}

/**
 * The stat of a thread; undefined if /proc does not show it. It is read as that of a thread of its process, since
 * qemu-user answers /proc/PID/stat, when PID is its own, with the start of the thread that reads.
 */
function statOf(number: number): string | undefined {
  try {
    return readKernelFile(`/proc/${number}/task/${number}/stat`)
  } catch {
    return undefined // the thread ended meanwhile, or is hidden: kill(2) tells which
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
