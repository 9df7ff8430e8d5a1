import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findAccelerator } from '../../src/lab/accelerator.js'
import { architectureOf } from '../../src/lab/architectures.js'
import { archive } from '../../src/lab/cpio.js'
import { findKernel } from '../../src/lab/kernel.js'
import { findKernelImage } from '../../src/lab/kernel-image.js'
import { packageListsOf } from '../../src/lab/package-lists.js'
import { findBusybox, findEmulator } from '../../src/lab/parts.js'
import { dyingWithUs, emulatorEnvironment } from '../../src/lab/processes.js'
import { MiB } from '../../src/sizes.js'
import { secondsSince } from '../measure.js'

/** The least memory in which the distributions' kernels start. */
const memory = 512 * MiB
const limitSeconds = 120

/**
 * The floor of the lab's start: the same emulator and kernel on as many processors, with no device but its console. The
 * kernel starts one program, which powers the machine off.
 */
export class BareMachine implements Disposable {
  readonly #folder: string
  readonly #command: readonly string[]
  readonly #environment: NodeJS.ProcessEnv

  private constructor(folder: string, command: readonly string[], environment: NodeJS.ProcessEnv) {
    this.#folder = folder
    this.#command = command
    this.#environment = environment
  }

  static async prepare(): Promise<BareMachine> {
    const architecture = architectureOf(undefined)
    const lists = packageListsOf(architecture)
    const [emulator, busybox, kernel] = [
      await findEmulator(architecture),
      await findBusybox(lists),
      await findKernel(architecture, lists, {}),
    ]
    const image = await findKernelImage(kernel.image)
    const accelerator = await findAccelerator(architecture, emulator, image)
    const folder = mkdtempSync(join(tmpdir(), 'pinfold-bare-machine-'))
    const initramfs = join(folder, 'initramfs.cpio')
    const init = '#!/bin/busybox sh\n/bin/busybox poweroff -f\n'
    const files = archive([
      { path: 'bin', mode: 0o040755 },
      { path: 'bin/busybox', mode: 0o100755, content: readFileSync(busybox) },
      { path: 'init', mode: 0o100755, content: Buffer.from(init) },
    ])
    writeFileSync(initramfs, files)
    const command = [
      ...[emulator.path, ...emulator.data.flatMap((path) => ['-L', path])],
      ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-machine', 'q35'],
      ...['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi', '-cpu', 'max'],
      ...['-smp', '2', '-m', `${memory / MiB}M`, '-kernel', image, '-initrd', initramfs],
      ...['-append', 'console=ttyS0 panic=-1 quiet mitigations=off cryptomgr.notests', '-serial', 'stdio'],
    ]
    return new BareMachine(folder, dyingWithUs(command), emulatorEnvironment(emulator))
  }

  /** Starts the machine, and returns the seconds until it was off. */
  async run(): Promise<number> {
    const start = process.hrtime.bigint()
    // The suite is bound to one processor, and the lab may use all.
    const child = spawn('taskset', ['--cpu-list', '0-1023', ...this.#command], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: this.#environment,
      timeout: limitSeconds * 1000,
    })
    let console = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      console += text
    })
    const [status] = await once(child, 'close')
    const seconds = secondsSince(start)
    // A kernel that panics ends the machine with 0, too.
    if (status === 0 && !console.includes('panic')) return seconds
    throw new Error(`the machine ended with ${status}: ${console.trim().split('\n').slice(-4).join('; ')}`)
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true })
  }
}
