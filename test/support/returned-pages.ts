import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { readPool } from '../../src/hugepages/index.js'
import { MiB } from '../../src/sizes.js'

export const pageSize = 2 * MiB

/** The counts that a dead process must have restored: pages of the hugepage pool, and files of memory. */
function left() {
  const { total, free, reserved } = readPool(pageSize)
  const mounts = readFileSync('/proc/mounts', 'latin1').matchAll(/^\S+ (\S+) hugetlbfs /gm)
  const folders = ['/dev/shm', ...[...mounts].map(([, folder = '']) => folder)]
  // Free pages do not count, since another run may borrow some, or give them back.
  return { inUse: total - free, reserved, files: folders.map((folder) => readdirSync(folder).sort()) }
}

/**
 * Returns a function that asserts that the state is the same as now. The function waits a little: the kernel frees a
 * dead process's pages after it has told the parent, and other processes may use the hugepage pool for a moment.
 */
export function poolAsItIs(): () => Promise<void> {
  const before = left()
  return async () => {
    await expect.poll(left, { timeout: 20_000, interval: 5 }).toEqual(before)
  }
}

/** The command line of a program of test/support/programs that uses the built package. */
export function program(script: string, args: readonly (string | number)[] = [], flags: readonly string[] = []) {
  return [process.execPath, ...flags, `test/support/programs/${script}`, ...args.map(String)]
}

/** A field of /proc/[pid]/status that is in kB, as bytes; 0 if the process does not exist. */
export function statusBytes(pid: number, field: string): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    const [, kibibytes = '0'] = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status) ?? []
    return Number(kibibytes) * 1024
  } catch {
    return 0 // the process is gone
  }
}
