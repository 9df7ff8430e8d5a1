import { existsSync } from 'node:fs'
import { hasApt } from '../../../lab/package-lists.js'
import { onPath, requireHost } from '../../../lab/parts.js'
import { readKernelFile } from '../../../system/kernel-files.js'
import { ownCommand } from '../../../system/own-command.js'
import { sudo } from '../../shell-command.js'
import { type Finding, finding } from '../finding.js'

const emulator = 'qemu-system-x86_64'

/** Checks whether `pinfold lab` can start a virtual machine that has an RDMA device. */
export function examineLab(): Finding {
  const found = onPath(emulator)
  const accelerated = existsSync('/dev/kvm')
  const values = { emulator: found ?? null, fetches: hasApt(), kvm: accelerated }
  try {
    requireHost()
  } catch (error) {
    // Here this is no error, only a fact about this machine.
    return finding('rdma.lab', 'info', error instanceof Error ? error.message : String(error), { values })
  }
  if (found === undefined && !values.fetches) {
    const mend = isFedora() ? `${sudo}dnf install -y qemu-system-x86-core busybox` : undefined
    return finding('rdma.lab', 'info', `the lab cannot start a virtual machine here: install QEMU (${emulator})`, {
      values,
      mend,
    })
  }
  const how = found === undefined ? 'it fetches QEMU and a kernel once' : found
  const mend = ownCommand(`lab run -- ${ownCommand('devices')}`)
  return finding('rdma.lab', 'ok', `the lab can start a machine with Soft-RoCE (${how})`, { values, mend })
}

function isFedora(): boolean {
  return /^ID=.*fedora/m.test(readKernelFile('/etc/os-release') ?? '')
}
