import { readlinkSync, statSync } from 'node:fs'
import { parseStatField, readKernelFile } from '../system/kernel-files.js'

/** The thread that has borrowed, in terms that other processes can look up. */
export interface LoanOwner {
  /** Its process, as its own pid namespace numbers it. */
  readonly pid: number
  /** gettid(2) in the same namespace; the pid for a main thread. */
  readonly thread: number
  /** When the thread started: clock ticks after boot (proc_pid_stat(5), field 22). */
  readonly startTime: number
  /** The inode of its pid namespace (namespaces(7)); null when its /proc belonged to another namespace. */
  readonly pidNamespace: number | null
  /** The inode of its time namespace, by which the kernel shifts start times; null on a kernel without these. */
  readonly timeNamespace: number | null
}

/** 'unknown': this process cannot see whether the owner lives. Such an owner counts as alive. */
export type OwnerLife = 'alive' | 'dead' | 'unknown'

/** This thread. */
export function thisOwner(): LoanOwner {
  const pidNamespace = ownPidNamespace()
  const thread = pidNamespace === null ? process.pid : (thisThread() ?? process.pid)
  const startTime = parseStatField(readKernelFile(`/proc/${process.pid}/task/${thread}/stat`) ?? '', 22)
  return {
    pid: process.pid,
    thread,
    startTime: Number.isSafeInteger(startTime) ? startTime : 0,
    pidNamespace,
    timeNamespace: namespaceInode('time'),
  }
}

/**
 * Whether the owner of a loan lives, by its thread's number and start time. They say nothing about another pid
 * namespace.
 */
export function ownerLife({ pid, thread, startTime, pidNamespace, timeNamespace }: LoanOwner): OwnerLife {
  if (pidNamespace === null || pidNamespace !== ownPidNamespace()) return 'unknown'
  const stat = statOf(pid, thread)
  if (stat === undefined) return isGone(thread) ? 'dead' : 'unknown'
  const state = stateOf(stat)
  if (state === 'Z' || state === 'X') return 'dead'
  // Another time namespace shows another start time for the same thread (time_namespaces(7)).
  if (timeNamespace !== namespaceInode('time')) return 'unknown'
  return parseStatField(stat, 22) === startTime ? 'alive' : 'dead'
}

/** The state of a process as one letter (proc_pid_stat(5), field 3); undefined when there is no such process. */
export function processState(pid: number): string | undefined {
  const stat = statOf(pid, pid)
  return stat === undefined ? undefined : stateOf(stat)
}

function stateOf(stat: string): string {
  return stat.charAt(stat.lastIndexOf(')') + 2)
}

/** The inode of this process's pid namespace; null when /proc shows the processes of another namespace. */
function ownPidNamespace(): number | null {
  // A number for each namespace from that of /proc down to the process's own (proc_pid_status(5), since Linux 4.1).
  const numbers = /^NSpid:\s+(.*)$/m.exec(readKernelFile('/proc/self/status') ?? '')?.[1]?.trim()
  return numbers === `${process.pid}` ? namespaceInode('pid') : null
}

function namespaceInode(kind: 'pid' | 'time'): number | null {
  return statSync(`/proc/self/ns/${kind}`, { throwIfNoEntry: false })?.ino ?? null
}

/** The id of this thread. The link reads '4711/task/4712'. */
function thisThread(): number | undefined {
  try {
    const thread = Number(/\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self'))?.[1])
    return Number.isSafeInteger(thread) ? thread : undefined
  } catch {
    return undefined // before Linux 3.17
  }
}

function statOf(pid: number, thread: number): string | undefined {
  try {
    return readKernelFile(`/proc/${pid}/task/${thread}/stat`)
  } catch {
    return undefined // the thread ended meanwhile, or /proc hides it: kill(2) says which
  }
}

/** True if there is no such thread. /proc may hide the threads of other users (hidepid); kill(2) finds them. */
function isGone(thread: number): boolean {
  try {
    process.kill(thread, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}
