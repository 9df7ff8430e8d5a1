import { type ErrorCode, PinfoldError } from '../errors.js'

/** The exit codes of `pinfold`. They are stable: scripts may switch on them (docs/command-line.md). */
export const exitCode = {
  /** The command succeeded, and everything is as it should be. */
  ok: 0,
  /** The command tried, and failed. */
  failed: 1,
  /** The command line was not understood; nothing was tried. */
  usage: 2,
  /** The command succeeded, and found a problem: a failed check of `doctor`, or something that `demo` left behind. */
  finding: 3,
  /** The process lacks permission (root or a capability). Nothing was changed. */
  permission: 4,
  /** There are too few pages or too little memory, or a limit is too low. All changes were undone. */
  short: 5,
  /**
   * `lab`: no machine was started, or a machine was lost. timeout(1) and env(1) use this code, too, since other
   * commands seldom return it.
   */
  lab: 125,
} as const

const byErrorCode: Partial<Record<ErrorCode, number>> = {
  ERR_INVALID_ARGUMENT: exitCode.usage,
  ERR_OUT_OF_RANGE: exitCode.usage,
  ERR_PERMISSION: exitCode.permission,
  ERR_PFN_HIDDEN: exitCode.permission,
  ERR_DEVICE_PERMISSION: exitCode.permission,
  ERR_HUGEPAGES_SHORT: exitCode.short,
  ERR_POOL_CHANGE_REFUSED: exitCode.short,
  ERR_CGROUP_LIMIT: exitCode.short,
  ERR_MEMLOCK_LIMIT: exitCode.short,
  ERR_DESCRIPTORS_SHORT: exitCode.short,
  ERR_MEMORY_SHORT: exitCode.short,
  ERR_LAB_UNAVAILABLE: exitCode.lab,
  ERR_LAB_FAILED: exitCode.lab,
}

/** The exit code of a command that fails with this error. */
export function exitCodeOf(error: unknown): number {
  return error instanceof PinfoldError ? (byErrorCode[error.code] ?? exitCode.failed) : exitCode.failed
}
