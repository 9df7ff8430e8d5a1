import { readlinkSync, statSync } from 'node:fs'
import { parseStatField, readKernelFile } from '../system/kernel-files.js'

/** The thread that has borrowed, by what other processes can look up. */
export interface LoanOwner {
  /** Its process, in its own pid namespace. */
  readonly pid: number
  /** gettid(2) in the same namespace; the pid for a main thread. */
  readonly thread: number
  /** When the thread started: clock ticks after boot (proc_pid_stat(5), field 22). */
  readonly startTime: number
  /** The inode of its pid namespace (namespaces(7)); null when its /proc was another namespace's. */
  readonly pidNamespace: number | null
  /** The inode of its time namespace, by which the kernel shifts start times; null on a kernel without these. */
  readonly timeNamespace: number | null
}

/** 'unknown': nothing that this process can see tells whether the owner lives. It counts as alive then. */
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

/** Whether a loan's owner lives, by its thread's number and start. Of another pid namespace neither tells anything. */
export function ownerLife({ pid, thread, startTime, pidNamespace, timeNamespace }: LoanOwner): OwnerLife {
  if (pidNamespace === null || pidNamespace !== ownPidNamespace()) return 'unknown'
  const stat = statOf(pid, thread)
  if (stat === undefined) return isGone(thread) ? 'dead' : 'unknown'
  const state = stateOf(stat)
  if (state === 'Z' || state === 'X') return 'dead'
  // Another time namespace shows another start for the same thread (time_namespaces(7)).
  if (timeNamespace !== namespaceInode('time')) return 'unknown'
  return parseStatField(stat, 22) === startTime ? 'alive' : 'dead'
}

/** The state of a process as one letter (proc_pid_stat(5), field 3), undefined when there is none of that number. */
export function processState(pid: number): string | undefined {
  const stat = statOf(pid, pid)
  return stat === undefined ? undefined : stateOf(stat)
}

function stateOf(stat: string): string {
  return stat.charAt(stat.lastIndexOf(')') + 2)
}

/** The inode of this process's pid namespace, null when /proc shows another one's processes. */
function ownPidNamespace(): number | null {
  // A number for each namespace from that of /proc down to the process's own (proc_pid_status(5), since Linux 4.1).
  const numbers = /^NSpid:\s+(.*)$/m.exec(readKernelFile('/proc/self/status') ?? '')?.[1]?.trim()
  return numbers === `${process.pid}` ? namespaceInode('pid') : null
}

function namespaceInode(kind: 'pid' | 'time'): number | null {
  return statSync(`/proc/self/ns/${kind}`, { throwIfNoEntry: false })?.ino ?? null
}

/** '4711/task/4712' is what the link says. */
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
    return undefined // it ended while it was read, or is hidden: kill(2) tells which
  }
}

/** /proc may hide other users' threads (hidepid); kill(2) tells whether there is one. */
function isGone(thread: number): boolean {
  try {
    process.kill(thread, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}
