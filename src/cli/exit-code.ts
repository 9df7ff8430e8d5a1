import { type ErrorCode, PinfoldError } from '../errors.js'

/** What the exit code of `pinfold` says. Stable: scripts may switch on them (docs/command-line.md). */
export const exitCode = {
  /** Done, and all is as it should be. */
  ok: 0,
  /** Tried, and failed. */
  failed: 1,
  /** The command line was not understood; nothing was tried. */
  usage: 2,
  /** The command did its work and found something that fails: `doctor` a check, `demo` something left behind. */
  finding: 3,
  /** This process may not do that: root or a capability is missing. Nothing was changed. */
  permission: 4,
  /** Too few pages or too little memory, or a limit in the way. What was begun is undone. */
  short: 5,
  /** `lab`: no machine was started, or one was lost. As timeout(1) and env(1): what a command of one's own seldom says. */
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
  ERR_MEMORY_SHORT: exitCode.short,
  ERR_LAB_UNAVAILABLE: exitCode.lab,
  ERR_LAB_FAILED: exitCode.lab,
}

/** The exit code that an error ends the command with. */
export function exitCodeOf(error: unknown): number {
  return error instanceof PinfoldError ? (byErrorCode[error.code] ?? exitCode.failed) : exitCode.failed
}
