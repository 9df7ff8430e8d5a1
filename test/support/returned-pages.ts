import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { readPool } from '../../src/hugepages/index.js'
import { MiB } from '../../src/sizes.js'

export const pageSize = 2 * MiB

/** What a process that has died must have given back: pages of the pool, and files where memory can be. */
function left() {
  const { total, free, reserved } = readPool(pageSize)
  const mounts = readFileSync('/proc/mounts', 'latin1').matchAll(/^\S+ (\S+) hugetlbfs /gm)
  const folders = ['/dev/shm', ...[...mounts].map(([, folder = '']) => folder)]
  // Not the free pages: another run may borrow some to the pool, or give them back.
  return { inUse: total - free, reserved, files: folders.map((folder) => readdirSync(folder).sort()) }
}

/**
 * Asserts, when called again, that all is as it is now. It waits a little: the kernel frees a dead process's pages after
 * its parent has heard of it, and others may be using the pool for a moment.
 */
export function poolAsItIs(): () => Promise<void> {
  const before = left()
  return async () => {
    await expect.poll(left, { timeout: 20_000, interval: 5 }).toEqual(before)
  }
}

/** The command line of a program of test/support/programs that uses the package as it is built. */
export function program(script: string, args: readonly (string | number)[] = [], flags: readonly string[] = []) {
  return [process.execPath, ...flags, `test/support/programs/${script}`, ...args.map(String)]
}

/** A field of /proc/[pid]/status that is in kB, as bytes; 0 when the process is no more. */
export function statusBytes(pid: number, field: string): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    const [, kibibytes = '0'] = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status) ?? []
    return Number(kibibytes) * 1024
  } catch {
    return 0 // gone
  }
}
