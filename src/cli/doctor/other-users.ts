import { spawnSync } from 'node:child_process'
import { capabilities } from '../../system/process-limits.js'
import { capabilityHint } from '../../translate/unknown-page.js'
import { type Finding, finding } from './finding.js'

/** The user and the group that own nothing, on all distributions: nobody. */
const nobody = 65534

/**
 * Writes this process's entry of pagemap for a page that it uses, with and without the frame number: the bits 0 to 54
 * (Documentation/admin-guide/mm/pagemap.rst).
 */
const probe = `
const { openSync, readSync, readFileSync } = require('node:fs')
const [start] = readFileSync('/proc/self/maps', 'latin1').split('-')
const entry = new BigUint64Array(1)
readSync(openSync('/proc/self/pagemap', 'r'), entry, 0, 8, (parseInt(start, 16) / Number(process.argv[1])) * 8)
console.log((entry[0] & ((1n << 55n) - 1n)) === 0n ? 'hidden' : 'present')`

/** The facts about a user without root. */
export interface OtherUser {
  /** Whether page frame numbers are visible; undefined if that user cannot run this Node. */
  readonly frames: 'present' | 'hidden' | undefined
  /** Why it could not be tried. */
  readonly problem?: string
}

/**
 * Checks what a user without root can do. Root tries it in a child process that runs as nobody, since the capabilities
 * of a file count only when it is executed. For another user, the checks of this process say the same.
 */
export function examineOtherUsers(pageSize: number): Finding {
  const id = 'privileges.other-users'
  if (process.geteuid?.() !== 0) {
    const frames = capabilities().has('CAP_SYS_ADMIN') ? 'present' : 'hidden'
    return describe(id, { frames }, frames === 'hidden' ? capabilityHint('SYS_ADMIN', 'IPC_LOCK') : undefined)
  }
  const user = tryAsNobody(pageSize)
  // A file's capabilities are limited to those of root itself, which a container may have taken from it.
  const canGive = capabilities().has('CAP_SYS_ADMIN') && capabilities().has('CAP_SETFCAP')
  const mend = `setcap cap_sys_admin,cap_ipc_lock+ep ${process.execPath}`
  return describe(id, user, user.frames === 'hidden' && canGive ? mend : undefined)
}

function describe(id: string, { frames, problem }: OtherUser, mend: string | undefined): Finding {
  const values = { frames: frames ?? null }
  if (problem !== undefined) return finding(id, 'unknown', `cannot be tried as another user: ${problem}`, { values })
  if (frames === undefined) {
    return finding(id, 'info', `users without root cannot run ${process.execPath}`, { values })
  }
  return frames === 'present'
    ? finding(id, 'ok', 'page frame numbers are visible to users without root, too', { values })
    : finding(id, 'info', 'page frame numbers are hidden from users without root', { mend, values })
}

function tryAsNobody(pageSize: number): OtherUser {
  const options = { uid: nobody, gid: nobody, cwd: '/', env: {}, encoding: 'utf8', timeout: 10_000 } as const
  const { error, status, stdout, stderr } = spawnSync(process.execPath, ['-e', probe, `${pageSize}`], options)
  const code = error !== undefined && 'code' in error ? error.code : undefined
  if (code === 'EACCES') return { frames: undefined }
  if (error !== undefined) return { frames: undefined, problem: error.message }
  const answer = stdout.trim()
  if (answer === 'present' || answer === 'hidden') return { frames: answer }
  const [complaint = ''] = stderr.split('\n').filter((line) => line !== '')
  return { frames: undefined, problem: complaint === '' ? `the program ended with ${status}` : complaint }
}
