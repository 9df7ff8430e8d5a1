import { constants } from 'node:os'
import { type ErrorCode, PinfoldError, type SystemFailure, toPinfoldError } from '../../errors.js'
import { formatSize } from '../../sizes.js'
import { ownCommand } from '../../system/own-command.js'
import type { Attempt } from './attempt.js'
import { type Adoption, adoptionOf, fileOf } from './backing.js'
import type { PageChoice } from './page-choice.js'

const { EACCES, EBADF, EPERM } = constants.errno
/** The calls by which native code finds out whether a file or descriptor can back a region. */
export const ofBacking: readonly string[] = ['open', 'fstatfs', 'fstat', 'fcntl']

/** Why a file or descriptor cannot back a region: what the caller named is then at fault, not the machine. */
export function backingFailure(failure: SystemFailure, { choice, options }: Attempt): PinfoldError {
  const adoption = adoptionOf(options)
  if (adoption !== undefined) return adoptionFailure(failure, choice, adoption)
  const file = fileOf(options)
  return file === undefined ? toPinfoldError(failure) : fileFailure(failure, choice, file.file)
}

function fileFailure(failure: SystemFailure, choice: PageChoice, path: string): PinfoldError {
  const { syscall, errno } = failure
  const values = { path, ...failure.values }
  const details = { syscall, errno, values, cause: failure }
  if (syscall === 'open') {
    const code = errno === EPERM || errno === EACCES ? 'ERR_PERMISSION' : 'ERR_SYSTEM'
    return new PinfoldError(`allocate: backing.file: ${path}: ${failure.message}`, { ...details, code })
  }
  const { hugetlbfs, pageSize = 0, fileSize = 0 } = failure.values ?? {}
  const problem =
    syscall === 'fstat'
      ? `is there already, with ${formatSize(fileSize)}`
      : hugetlbfs
        ? `is on a mount with pages of ${formatSize(pageSize)}, not ${choice.name}`
        : 'is not on a hugetlbfs mount'
  const mount = ownCommand(`hugepages mount /mnt/huge --page-size ${choice.name}`)
  const hint = hugetlbfs === 0 ? `sudo ${mount}` : undefined
  return new PinfoldError(`allocate: backing.file: ${path} ${problem}`, {
    ...details,
    code: 'ERR_INVALID_ARGUMENT',
    hint,
  })
}

function adoptionFailure(failure: SystemFailure, choice: PageChoice, adoption: Adoption): PinfoldError {
  const { syscall, errno } = failure
  const { code, problem, hint } = adoptionProblem(failure, choice, adoption)
  return new PinfoldError(`allocate: backing.descriptor: ${adoption.descriptor} ${problem}`, {
    code,
    syscall,
    errno,
    values: { ...failure.values, descriptor: adoption.descriptor },
    cause: failure,
    hint,
  })
}

interface Problem {
  readonly code: ErrorCode
  readonly problem: string
  readonly hint?: string
}

function adoptionProblem(failure: SystemFailure, choice: PageChoice, { offset = 0 }: Adoption): Problem {
  const { syscall, errno, values = {} } = failure
  if (syscall === 'fcntl' && errno === EACCES) {
    return { code: 'ERR_PERMISSION', problem: 'is not open for reading and writing' }
  }
  if (syscall === 'fcntl' && errno === EPERM) {
    return {
      code: 'ERR_UNSUPPORTED',
      problem: 'cannot be sealed against shrinking',
      hint: 'memfd_create(2) with MFD_ALLOW_SEALING; or mayShrink: true, if nobody truncates it while the region is open',
    }
  }
  if (errno === EBADF) return { code: 'ERR_INVALID_ARGUMENT', problem: 'is no open file descriptor' }
  if (syscall === 'fstat' && values.fileSize !== undefined) {
    const problem = `has ${formatSize(values.fileSize)}, less than offset ${formatSize(offset)} and size together`
    return { code: 'ERR_INVALID_ARGUMENT', problem }
  }
  if (syscall === 'fstatfs' && values.hugetlbfs === 1) {
    const problem = `has pages of ${formatSize(values.pageSize ?? 0)}, not ${choice.name}`
    return { code: 'ERR_INVALID_ARGUMENT', problem }
  }
  if (syscall === 'fstatfs' && values.tmpfs === 1) {
    return { code: 'ERR_INVALID_ARGUMENT', problem: `has base pages, not ${choice.name}` }
  }
  if (syscall === 'fstatfs' && values.tmpfs === 0) {
    return { code: 'ERR_INVALID_ARGUMENT', problem: 'is no memory: neither a memfd, nor on a hugetlbfs or tmpfs mount' }
  }
  return { code: 'ERR_SYSTEM', problem: `: ${failure.message}` }
}
