import { readdirSync, readlinkSync } from 'node:fs'
import { readKernelFile } from '../../system/kernel-files.js'

/** A process that has hugetlb pages mapped. */
export interface HugepageUser {
  readonly pid: number
  /** The process's name as the kernel keeps it: the first 15 bytes (proc_pid_comm(5)). */
  readonly command: string
  /** Bytes of hugetlb pages. Shared pages count in each process that maps them. */
  readonly hugetlb: number
}

/**
 * The processes that have hugetlb pages mapped, the largest use first. Every user can see this of every process, unless
 * /proc is mounted with hidepid. Source: proc_pid_status(5), HugetlbPages.
 */
export function findHugepageUsers(): HugepageUser[] {
  return processes()
    .map((pid) => parseUser(pid, readProcessFile(pid, 'status')))
    .filter((user) => user.hugetlb > 0)
    .sort((one, other) => other.hugetlb - one.hugetlb || one.pid - other.pid)
}

export function parseUser(pid: number, status: string): HugepageUser {
  const command = /^Name:\t(.*)$/m.exec(status)?.[1] ?? ''
  const kibibytes = /^HugetlbPages:\s+(\d+) kB/m.exec(status)?.[1] ?? 0
  return { pid, command, hugetlb: Number(kibibytes) * 1024 }
}

/**
 * The processes that keep a file system busy. They have files below the folder mapped or open, or their working
 * directory or root is there. Root sees all of these processes, another user sees only its own.
 */
export function findFileUsers(folder: string): { readonly pid: number; readonly command: string }[] {
  const path = folder.replace(/\/$/, '')
  const isBelow = (link: string) => link === path || link.startsWith(`${path}/`)
  return processes()
    .filter((pid) => readProcessFile(pid, 'maps').includes(` ${path}/`) || readProcessLinks(pid).some(isBelow))
    .map((pid) => ({ pid, command: parseUser(pid, readProcessFile(pid, 'status')).command }))
}

function processes(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

/** The paths of a process's working directory, its root, and its open files. */
function readProcessLinks(pid: number): string[] {
  const files = listProcessFiles(pid).map((file) => `fd/${file}`)
  return ['cwd', 'root', ...files].flatMap((name) => {
    try {
      return [readlinkSync(`/proc/${pid}/${name}`)]
    } catch {
      return [] // for the reason that readProcessFile names
    }
  })
}

function listProcessFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`)
  } catch {
    return [] // for the reason that readProcessFile names
  }
}

function readProcessFile(pid: number, file: 'status' | 'maps'): string {
  try {
    return readKernelFile(`/proc/${pid}/${file}`) ?? ''
  } catch {
    // The process belongs to another user, or ended while it was read (ESRCH). It has nothing to show.
    return ''
  }
}
