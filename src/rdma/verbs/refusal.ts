import { accessSync, constants as files } from 'node:fs'
import { constants } from 'node:os'
import { type ErrorCode, isSystemFailure, PinfoldError, type SystemFailure } from '../../errors.js'
import { formatSize } from '../../sizes.js'
import { listKernelDirectory, readKernelFile } from '../../system/kernel-files.js'
import { capabilities, memlockLimit, processMemory } from '../../system/process-limits.js'
import { roomHint } from '../contract/queue-room.js'
import { reasonOf, refusedRequest } from '../contract/refusal-reasons.js'

const { EACCES, EBUSY, EIO, ENODEV, ENOENT, ENOMEM, ENOSYS, ENXIO, EOPNOTSUPP, EPERM, EPROTONOSUPPORT } =
  constants.errno

/** The arguments of a refused call that explain more than its errno. */
export interface Attempt {
  /** The device that was to be opened. */
  readonly device?: string
  /** Bytes that were to be registered. */
  readonly length?: number
  /** A capability that the device does not have, whatever errno the device returns. */
  readonly unsupported?: string
}

/** Runs a call of native code. An error of that call becomes the error of the contract. */
export function attempted<Result>(call: () => Result, attempt: Attempt = {}): Result {
  try {
    return call()
  } catch (error) {
    throw explainRefusal(error, attempt)
  }
}

/** The error of the contract (device-calls.ts) for an error of native code. */
export function explainRefusal(error: unknown, attempt: Attempt): PinfoldError {
  if (error instanceof PinfoldError) return error
  if (!isSystemFailure(error)) {
    const message = error instanceof Error ? error.message : String(error)
    return new PinfoldError(message, { code: 'ERR_INVALID_ARGUMENT', cause: error })
  }
  const reason = reasonOf(error.values?.reason)
  if (reason !== undefined) return refusedRequest(error.syscall, reason, error.values?.posted ?? 0, error)
  if (error.syscall === 'dlopen') return libraryMissing(error)
  if (error.syscall === 'dlvsym') return symbolMissing(error)
  if (error.syscall === 'ibv_open_device') return notOpened(error, attempt)
  if (error.errno === ENOMEM && error.syscall.startsWith('ibv_reg_')) return noMemory(error, attempt)
  if (attempt.unsupported !== undefined) {
    return refused(error, 'ERR_UNSUPPORTED', `${error.message}: this device has no ${attempt.unsupported}`)
  }
  const code = codeOf(error)
  return refused(error, code, error.message, code === 'ERR_QUEUE_FULL' ? roomHint(error.syscall) : undefined)
}

function codeOf({ errno, syscall }: SystemFailure): ErrorCode {
  switch (errno) {
    case EOPNOTSUPP:
    case ENOSYS:
    case EPROTONOSUPPORT:
      return 'ERR_UNSUPPORTED'
    case EBUSY:
      return 'ERR_OBJECT_BUSY'
    case EIO:
    case ENODEV:
      return 'ERR_DEVICE_REMOVED'
    case ENOMEM:
      return /^ibv_(post_|bind_mw)/.test(syscall) ? 'ERR_QUEUE_FULL' : 'ERR_DEVICE_REFUSED'
    default:
      return syscall.startsWith('ibv_') ? 'ERR_DEVICE_REFUSED' : 'ERR_SYSTEM'
  }
}

function refused(failure: SystemFailure, code: ErrorCode, message = failure.message, hint?: string): PinfoldError {
  const { syscall, errno, values } = failure
  return new PinfoldError(message, { code, syscall, errno, values, hint, cause: failure })
}

function libraryMissing(failure: SystemFailure): PinfoldError {
  return refused(
    failure,
    'ERR_VERBS_LIBRARY',
    `libibverbs cannot be loaded: ${failure.subject ?? failure.message}`,
    installCommand(),
  )
}

function installCommand(): string | undefined {
  const release = readKernelFile('/etc/os-release') ?? ''
  if (/^ID(_LIKE)?=.*(debian|ubuntu)/m.test(release)) return 'sudo apt-get install -y libibverbs1 ibverbs-providers'
  if (/^ID(_LIKE)?=.*(fedora|rhel|centos)/m.test(release)) return 'sudo dnf install -y libibverbs'
  if (/^ID(_LIKE)?=.*suse/m.test(release)) return 'sudo zypper install -y libibverbs1'
  if (/^ID=.*alpine/m.test(release)) return 'sudo apk add rdma-core-libs'
  return undefined
}

/** `failure.subject` is the function, with its version if that matters. The library's version is in its file name. */
function symbolMissing(failure: SystemFailure): PinfoldError {
  return refused(
    failure,
    'ERR_VERBS_SYMBOL',
    `${failure.subject ?? failure.message}${loadedLibrary()}: a newer rdma-core has it`,
  )
}

function loadedLibrary(): string {
  const path = /\S*libibverbs\.so\S*/.exec(readKernelFile('/proc/self/maps') ?? '')?.[0]
  return path === undefined ? '' : ` (${path})`
}

function notOpened(failure: SystemFailure, { device = '' }: Attempt): PinfoldError {
  const node = verbsNode(device)
  const denied = [EACCES, EPERM, ENOENT, ENXIO].includes(failure.errno) || (node !== undefined && !isUsable(node))
  if (!denied) return refused(failure, codeOf(failure))
  const path = node ?? '/dev/infiniband/uverbs*'
  const isThere = node !== undefined && canBe(node, files.F_OK)
  const message = isThere
    ? `device '${device}' cannot be opened: this user may not open ${path}`
    : `device '${device}' cannot be opened: there is no ${path} here (a container needs --device=${path})`
  const hint = isThere ? `sudo chmod a+rw ${path}` : `sudo modprobe ib_uverbs`
  return refused(failure, 'ERR_DEVICE_PERMISSION', message, hint)
}

/** The character device of an RDMA device. Its number is not that of the device. */
function verbsNode(device: string): string | undefined {
  const root = '/sys/class/infiniband_verbs'
  const name = listKernelDirectory(root).find((entry) => readKernelFile(`${root}/${entry}/ibdev`)?.trim() === device)
  return name === undefined ? undefined : `/dev/infiniband/${name}`
}

function isUsable(path: string): boolean {
  return canBe(path, files.R_OK | files.W_OK)
}

function canBe(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    // Absent or forbidden: in both cases the answer is no.
    return false
  }
}

/** Registering pins memory, which RLIMIT_MEMLOCK limits. The kernel returns ENOMEM for this and for other reasons. */
function noMemory(failure: SystemFailure, { length = 0 }: Attempt): PinfoldError {
  const { soft, hard } = memlockLimit()
  const { pinned } = processMemory()
  const needed = pinned + length
  if (capabilities().has('CAP_IPC_LOCK') || needed <= soft) return refused(failure, 'ERR_DEVICE_REFUSED')
  const message = `cannot pin ${formatSize(length)}: ${formatSize(Math.max(0, soft - pinned))} more are allowed (RLIMIT_MEMLOCK ${formatSize(soft)}, ${formatSize(pinned)} pinned)`
  return new PinfoldError(message, {
    code: 'ERR_MEMLOCK_LIMIT',
    syscall: failure.syscall,
    errno: failure.errno,
    values: { wanted: length, limit: soft, pinned },
    // The user of a process may raise the soft limit up to the hard limit. The colon leaves the hard limit as it is.
    hint: `${needed <= hard ? '' : 'sudo '}prlimit --pid ${process.pid} --memlock=${needed}${needed <= hard ? ':' : ''}`,
    cause: failure,
  })
}
