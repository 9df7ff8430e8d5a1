import { constants } from 'node:os'
import { formatAddress, type VirtualAddress } from '../addresses.js'
import { isSystemFailure, PinfoldError, toPinfoldError } from '../errors.js'
import { ownCommand } from '../system/own-command.js'

const { EACCES, ENOENT, EPERM, ESRCH } = constants.errno

/**
 * The error for a failed read of pagemap. `pid` 0 is this process.
 *
 * @param command of pinfold, which reads the same as root
 */
export function readRefusal(
  error: unknown,
  pid: number,
  address: VirtualAddress | undefined,
  command = `translate ${pid} ${formatAddress(address ?? 0n)}`,
): PinfoldError {
  const errno = isSystemFailure(error) ? Math.abs(error.errno) : 0
  const process = pid === 0 ? 'this process' : `process ${pid}`
  const details = {
    ...(isSystemFailure(error) ? { syscall: error.syscall, errno } : {}),
    values: { pid, address },
    cause: error,
  }
  // The process has ended, or it is a kernel thread.
  if (errno === ENOENT || errno === ESRCH) {
    return new PinfoldError(`there is no ${process}, or it has no memory of its own`, {
      code: 'ERR_PROCESS_UNKNOWN',
      ...details,
    })
  }
  // ptrace(2), 'Ptrace access mode checking'.
  if (errno !== EPERM && errno !== EACCES) return toPinfoldError(error)
  return new PinfoldError(`the pagemap of ${process} may be read by its owner and by root only`, {
    code: 'ERR_PERMISSION',
    ...details,
    hint: pid === 0 ? undefined : `sudo ${ownCommand(command)}`,
  })
}
