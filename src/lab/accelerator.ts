import { spawn } from 'node:child_process'
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Architecture, isOwn } from './architectures.js'
import { cached } from './cache.js'
import type { Accelerator } from './emulator-arguments.js'
import type { Program } from './parts.js'
import { emulatorEnvironment } from './processes.js'

const limit = 5000

/**
 * Finds out whether the processor can run the machine itself (KVM), or QEMU must emulate it. /dev/kvm may exist and not
 * work. So a machine is started as a trial, once after each boot.
 */
export async function findAccelerator(
  architecture: Architecture,
  emulator: Program,
  image: string,
): Promise<Accelerator> {
  if (!isOwn(architecture)) return 'tcg'
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
  } catch {
    return 'tcg' // absent or forbidden: in both cases it cannot be used
  }
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const folder = await cached(`accelerator-${boot}`, async (making) => {
    writeFileSync(join(making, 'accelerator'), (await startsOnKvm(emulator, image)) ? 'kvm' : 'tcg')
  })
  return readFileSync(join(folder, 'accelerator'), 'utf8') === 'kvm' ? 'kvm' : 'tcg'
}

/** True if the kernel writes anything to its console. It has no root file system, and ends by a panic. */
function startsOnKvm(emulator: Program, image: string): Promise<boolean> {
  const args = [
    ...emulator.data.flatMap((folder) => ['-L', folder]),
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-machine', 'q35', '-accel', 'kvm'],
    ...['-cpu', 'max', '-m', '256M', '-serial', 'stdio', '-kernel', image],
    ...['-append', 'console=ttyS0 earlyprintk=ttyS0 panic=-1'],
  ]
  const child = spawn(emulator.path, args, { stdio: ['ignore', 'pipe', 'ignore'], env: emulatorEnvironment(emulator) })
  return new Promise((resolve) => {
    const end = (starts: boolean) => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      resolve(starts)
    }
    const timer = setTimeout(() => end(false), limit)
    child.stdout.on('data', () => end(true))
    child.on('error', () => end(false))
    child.on('exit', () => end(false))
  })
}
