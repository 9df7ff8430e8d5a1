import { readdirSync, readFileSync } from 'node:fs'
import { type PinfoldError, toPinfoldError } from '../errors.js'

/** The error codes for a file that this kernel or this namespace lacks: a fact to report, not a failure. */
const absence = new Set(['ENOENT', 'ENOTDIR', 'ENODEV'])

function isAbsence(error: unknown): boolean {
  return error instanceof Error && 'code' in error && absence.has(String(error.code))
}

/**
 * The text of a file under /proc or /sys; undefined if the kernel has no such file.
 *
 * @throws PinfoldError `ERR_PERMISSION` if this process may not read the file, `ERR_SYSTEM` for any other failure
 */
export function readKernelFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isAbsence(error)) return undefined
    throw failedRead(error)
  }
}

/** The number in a file that contains one decimal number; undefined if there is no such file, or another text in it. */
export function readKernelNumber(path: string): number | undefined {
  const text = readKernelFile(path)?.trim()
  return text === undefined || !/^-?\d+$/.test(text) ? undefined : Number(text)
}

/** The names in a directory under /proc or /sys, sorted; empty if the kernel has no such directory. */
export function listKernelDirectory(path: string): string[] {
  try {
    return readdirSync(path).sort()
  } catch (error) {
    if (isAbsence(error)) return []
    throw failedRead(error)
  }
}

function failedRead(error: unknown): PinfoldError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  // Node's permission model. pinfold reads many files of both folders, so a hint for this file alone would not help.
  if (code === 'ERR_ACCESS_DENIED') {
    const hint = 'start Node with --allow-fs-read=/proc/* --allow-fs-read=/sys/*'
    return toPinfoldError(error, 'ERR_PERMISSION', hint)
  }
  return toPinfoldError(error, code === 'EACCES' || code === 'EPERM' ? 'ERR_PERMISSION' : 'ERR_SYSTEM')
}

/** Parses a list of CPUs or nodes as the kernel writes it: '0-2,5' is [0, 1, 2, 5] (cpuset(7), 'List format'). */
export function parseIndexList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [first = 0, last = first] = part.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    })
}

/** Writes such a list: [0, 1, 2, 5] is '0-2,5'. */
export function formatIndexList(indices: readonly number[]): string {
  const parts: string[] = []
  const sorted = [...new Set(indices)].sort((one, other) => one - other)
  for (let start = 0; start < sorted.length; ) {
    let end = start
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end++
    parts.push(end === start ? `${sorted[start]}` : `${sorted[start]}-${sorted[end]}`)
    start = end + 1
  }
  return parts.join(',')
}

/** A numeric field of /proc/PID/stat by its number in proc_pid_stat(5), 3 or more. */
export function parseStatField(stat: string, field: number): number {
  // The second field, the command's name, may contain spaces and parentheses. So fields count from the last ')' on.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[field - 3])
}
