import { existsSync } from 'node:fs'
import { hasApt } from '../../../lab/packages.js'
import { onPath, requireArchitecture } from '../../../lab/parts.js'
import { type Finding, finding } from '../finding.js'

const emulator = 'qemu-system-x86_64'

/** Checks whether `pinfold lab` can start a virtual machine that has an RDMA device. */
export function examineLab(): Finding {
  const found = onPath(emulator)
  const accelerated = existsSync('/dev/kvm')
  const values = { emulator: found ?? null, fetches: hasApt(), kvm: accelerated }
  try {
    requireArchitecture()
  } catch (error) {
    // Here this is no error, only a fact about this machine.
    return finding('rdma.lab', 'info', error instanceof Error ? error.message : String(error), { values })
  }
  if (found === undefined && !values.fetches) {
    return finding('rdma.lab', 'info', `pinfold lab cannot start a virtual machine here: install QEMU (${emulator})`, {
      values,
    })
  }
  const how = found === undefined ? 'it fetches QEMU and a kernel once' : found
  const mend = 'pinfold lab run -- pinfold devices'
  return finding('rdma.lab', 'ok', `pinfold lab can start a machine with Soft-RoCE (${how})`, { values, mend })
}
