import { formatAddress, type VirtualAddress } from '../addresses.js'
import { isSystemFailure, PinfoldError, toPinfoldError } from '../errors.js'

/** Why pagemap could not be read; `pid` 0 is this process. */
export function readRefusal(error: unknown, pid: number, address: VirtualAddress | undefined): PinfoldError {
  const errno = isSystemFailure(error) ? Math.abs(error.errno) : 0
  const process = pid === 0 ? 'this process' : `process ${pid}`
  const details = {
    ...(isSystemFailure(error) ? { syscall: error.syscall, errno } : {}),
    values: { pid, address },
    cause: error,
  }
  // ENOENT, ESRCH: it is gone, or a kernel thread. EPERM, EACCES: ptrace(2), 'Ptrace access mode checking'.
  if (errno === 2 || errno === 3) {
    return new PinfoldError(`there is no ${process}, or it has no memory of its own`, {
      code: 'ERR_PROCESS_UNKNOWN',
      ...details,
    })
  }
  if (errno !== 1 && errno !== 13) return toPinfoldError(error)
  return new PinfoldError(`the pagemap of ${process} may be read by its owner and by root only`, {
    code: 'ERR_PERMISSION',
    ...details,
    hint: pid === 0 ? undefined : `sudo pinfold translate ${pid} ${formatAddress(address ?? 0n)}`,
  })
}
