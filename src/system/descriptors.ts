import { constants } from 'node:os'
import { isSystemFailure, PinfoldError } from '../errors.js'
import { native } from '../native.js'

const { EMFILE, ENFILE } = constants.errno

// include/uapi/asm-generic/resource.h
const RLIMIT_NOFILE = 7

/**
 * The error for a process (EMFILE) or a machine (ENFILE) that has no descriptor left, or too few for a region that keeps
 * one (native/memory/descriptor_room.h). Undefined for any other failure. It opens no file.
 */
export function descriptorShortage(failure: unknown): PinfoldError | undefined {
  if (!isSystemFailure(failure)) return undefined
  if (failure instanceof PinfoldError && failure.code === 'ERR_DESCRIPTORS_SHORT') return failure
  const { syscall } = failure
  const errno = Math.abs(failure.errno)
  const details = { code: 'ERR_DESCRIPTORS_SHORT', syscall, errno, cause: failure } as const
  if (errno === ENFILE) {
    return new PinfoldError('this machine has no open file left (fs.file-max)', {
      ...details,
      hint: 'close files of other programs, or raise fs.file-max by sysctl',
    })
  }
  if (errno !== EMFILE) return undefined
  const [limit, hard] = native.resourceLimit(RLIMIT_NOFILE)
  const { open, reserve } = failure.values ?? {}
  const higher = higherLimit(limit, hard)
  if (open === undefined || reserve === undefined) {
    const message = `this process has no descriptor left, of the ${limit} that it may have (RLIMIT_NOFILE)`
    return new PinfoldError(message, { ...details, values: { open: limit, limit }, hint: higher })
  }
  return new PinfoldError(
    `this process has ${open} descriptors open, and regions leave it the last ${reserve} of the ${limit} that it may have (RLIMIT_NOFILE)`,
    {
      ...details,
      values: { open, limit, reserve },
      hint: `${higher}; or base or transparent pages, or backing: 'anonymous', which keep no descriptor open; or fewer and larger regions`,
    },
  )
}

/** How this process gets a higher limit. It may raise its own limit up to the hard limit, which only root raises. */
function higherLimit(soft: number, hard: number): string {
  if (soft < hard) return `prlimit --pid ${process.pid} --nofile=${Math.min(2 * soft, hard)}:`
  return 'raise the hard limit where the program is started: LimitNOFILE= of its service, --ulimit nofile= of its container, or ulimit -n of a shell of root'
}
