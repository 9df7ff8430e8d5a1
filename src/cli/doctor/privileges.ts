import { closeSync, openSync, readSync } from 'node:fs'
import { basePageSize } from '../../system/page-sizes.js'
import { capabilities, memlockLimit } from '../../system/process-limits.js'
import { capabilityHint } from '../../translate/unknown-page.js'
import { inspectPage } from '../../translate/virt-to-phys.js'
import { type Finding, finding } from './finding.js'
import { examineOtherUsers } from './other-users.js'

/** Checks what this process may do, by its capabilities and by trying. */
export function* examinePrivileges(): Iterable<Finding> {
  yield examineSysAdmin()
  yield examineIpcLock()
  yield examinePageFrameNumbers()
  yield examinePageFlags()
  yield examineOtherUsers(basePageSize)
}

function examineSysAdmin(): Finding {
  const isHeld = capabilities().has('CAP_SYS_ADMIN')
  const values = { capability: 'CAP_SYS_ADMIN', held: isHeld }
  return isHeld
    ? finding('privileges.sys-admin', 'ok', 'CAP_SYS_ADMIN: physical addresses may be read', { values })
    : finding('privileges.sys-admin', 'warn', 'no CAP_SYS_ADMIN: physical addresses are hidden', {
        mend: capabilityCommand(),
        values,
      })
}

/** One command for all missing capabilities, since setcap(8) replaces those that a file had. */
function capabilityCommand(...more: readonly 'DAC_READ_SEARCH'[]): string {
  const held = capabilities()
  const missing = (['SYS_ADMIN', 'IPC_LOCK', ...more] as const).filter((name) => !held.has(`CAP_${name}`))
  return capabilityHint(...missing)
}

function examineIpcLock(): Finding {
  const isHeld = capabilities().has('CAP_IPC_LOCK')
  const values = { capability: 'CAP_IPC_LOCK', held: isHeld }
  if (isHeld) {
    return finding('privileges.ipc-lock', 'ok', 'CAP_IPC_LOCK: memory may be locked without limit', { values })
  }
  const isUnlimited = memlockLimit().soft === Number.POSITIVE_INFINITY
  const seen = isUnlimited ? 'not needed: RLIMIT_MEMLOCK is unlimited' : 'RLIMIT_MEMLOCK applies (see limits.memlock)'
  return finding('privileges.ipc-lock', isUnlimited ? 'ok' : 'info', `no CAP_IPC_LOCK; ${seen}`, {
    mend: isUnlimited ? undefined : capabilityCommand(),
    values,
  })
}

/**
 * Tries it on a page of our own, since capabilities do not tell everything: those of a user namespace do not count
 * here.
 */
function examinePageFrameNumbers(): Finding {
  const page = inspectPage(new Uint8Array(1).fill(1))
  const values = { state: page.state }
  if (page.state === 'present') {
    return finding('privileges.pfn', 'ok', 'page frame numbers are visible in /proc/self/pagemap', { values })
  }
  return finding('privileges.pfn', 'warn', `page frame numbers are ${page.state}: no region can be translated`, {
    mend: capabilityCommand(),
    values,
  })
}

function examinePageFlags(): Finding {
  const unreadable = ['/proc/kpageflags', '/proc/kpagecount'].map(whyUnreadable).find((why) => why !== undefined)
  if (unreadable === undefined) {
    return finding('privileges.page-flags', 'ok', '/proc/kpageflags and /proc/kpagecount can be read')
  }
  const seen = `${unreadable}: no page flags and map counts`
  const isDenied = /EACCES|EPERM/.test(unreadable)
  const mend = isDenied ? capabilityCommand('DAC_READ_SEARCH') : undefined
  return finding('privileges.page-flags', 'info', seen, { mend })
}

function whyUnreadable(path: string): string | undefined {
  try {
    const file = openSync(path, 'r')
    try {
      // This is the word of page frame 0. The files are read in whole words.
      readSync(file, new BigUint64Array(1))
      return undefined
    } finally {
      closeSync(file)
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
