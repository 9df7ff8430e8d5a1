import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { abortReason, isAborted, onAbort, throwIfAborted } from '../abort.js'
import { isSystemFailure, toPinfoldError } from '../errors.js'
import { findAccelerator } from './accelerator.js'
import { type Architecture, type ArchitectureName, architectureOf, isOwn } from './architectures.js'
import type { Accelerator } from './emulator-arguments.js'
import { findForeignSystem } from './foreign-system.js'
import { commandScript, labVariables, replacingFile } from './guest-command.js'
import { HostClock } from './host-clock.js'
import { findInitramfs } from './initramfs.js'
import { findKernel } from './kernel.js'
import { findKernelImage } from './kernel-image.js'
import { type CheckedLabOptions, checkedLabOptions, type LabOptions } from './lab-options.js'
import { Machine, type MachineResult, type MachineStreams } from './machine.js'
import { OutputFolder } from './output-folder.js'
import { type PackageLists, packageListsOf } from './package-lists.js'
import { findBusybox, findEmulator, findGuestTools, requireHost } from './parts.js'

/** Receives a text about each step of a run. */
export type LabProgress = (what: string) => void

export interface LabResult {
  /**
   * 0 if every host ended with 0. Otherwise the status of the first host that ended with another one. 124 after the
   * time limit, as timeout(1) gives.
   */
  readonly status: number
  readonly timedOut: boolean
  /**
   * The results by the numbers of the hosts. Undefined for a host that was shut down, since another had failed or the
   * time was up.
   */
  readonly hosts: readonly (MachineResult | undefined)[]
  /** The processor of the guests, by Node's name of it. */
  readonly arch: ArchitectureName
  readonly accelerator: Accelerator
  /** The release of the guest's kernel. */
  readonly kernel: string
  /**
   * The folder with the files that were written to $LAB_OUT; undefined if there are none. With several hosts it
   * contains `host0`, `host1`, …
   */
  readonly out: string | undefined
}

/** Returns the destinations of a host's streams. */
export type StreamsOf = (host: number) => MachineStreams

/**
 * Runs a command in virtual machines that have the RDMA device rxe0 and see this machine's files. Files that the
 * command writes are gone afterwards, except those in $LAB_OUT. However this process ends, the machines end with it.
 *
 * @throws the signal's reason when it is aborted; PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_UNSUPPORTED` (this is no x86-64),
 *   `ERR_LAB_UNAVAILABLE` (what is missing, and the command that repairs it), `ERR_LAB_FAILED` (a machine has not
 *   started, or ended before its command), `ERR_SYSTEM` (a folder cannot be made)
 */
export async function runLab(
  given: LabOptions,
  streamsOf: StreamsOf,
  progress: LabProgress = () => {},
): Promise<LabResult> {
  const options = checkedLabOptions(given)
  throwIfAborted(options.signal)
  requireHost()
  try {
    return await runChecked(options, streamsOf, progress)
  } catch (error) {
    if (isAborted(options.signal) || !isSystemFailure(error)) throw error
    throw toPinfoldError(error) // of node:fs: a full disk, a cache or output folder that cannot be made
  }
}

async function runChecked(options: CheckedLabOptions, streamsOf: StreamsOf, progress: LabProgress): Promise<LabResult> {
  progress('looking for QEMU and a kernel …')
  const clock = new HostClock()
  const architecture = architectureOf(options.arch)
  const lists = packageListsOf(architecture)
  const emulator = await findEmulator(architecture)
  const { busybox, tools } = await findPrograms(architecture, lists)
  const kernel = await findKernel(architecture, lists, options)
  const initramfs = await findInitramfs(kernel, busybox, options)
  const image = await findKernelImage(kernel.image)
  const accelerator = await findAccelerator(architecture, emulator, image)
  // Under KVM, the guest gets the frequency from KVM. The clock of an emulated arm64 does not have to be measured.
  const counterKilohertz = accelerator === 'tcg' && isOwn(architecture) ? await clock.kilohertz() : undefined
  throwIfAborted(options.signal)
  const out = new OutputFolder(options)
  progress('starting …')
  const machines: Machine[] = []
  try {
    for (let host = 0; host < options.hosts; host++) {
      const streams = streamsOf(host)
      const found = { architecture, emulator, accelerator, image, initramfs, tools, counterKilohertz }
      const plan = { ...found, host, options, out: out.folderOf(host) }
      const script = scriptOf(architecture, options, host)
      const wire = machines[0]?.wires[host - 1]
      machines.push(new Machine({ ...plan, terminal: streams.terminal !== undefined }, script, streams, wire))
      // The other machine has its own copy of the wire now. Ours is closed within this tick, so that this process reads
      // none of its frames.
      wire?.destroy()
    }
    const { results, status, timedOut } = await runTogether(machines, options)
    const { name: arch } = architecture
    return { status, timedOut, hosts: results, arch, accelerator, kernel: kernel.release, out: out.filled() }
  } finally {
    for (const machine of machines) machine.stop()
    await Promise.all(machines.map(({ gone }) => gone))
    out.close()
  }
}

/** The guest's busybox, and its programs that are not the host's. */
async function findPrograms(
  architecture: Architecture,
  lists: PackageLists,
): Promise<{ busybox: string; tools: string | undefined }> {
  if (isOwn(architecture)) return { busybox: await findBusybox(lists), tools: await findGuestTools(lists) }
  const system = await findForeignSystem(architecture, lists)
  return { busybox: join(system, 'usr/bin/busybox'), tools: system }
}

function scriptOf(architecture: Architecture, { commands, env, hosts }: CheckedLabOptions, host: number): string {
  const script = commandScript(commands[host] ?? [], { ...env, ...labVariables(host, hosts) })
  // Wherever this machine's Node is installed, the guest finds there a Node that it can run.
  return isOwn(architecture) ? script : replacingFile(realpathSync(process.execPath), '/usr/bin/node') + script
}

/**
 * Waits until all commands have ended, one has failed, or the time is up. A machine whose command has ended stays until
 * then: data that it sent may not have arrived yet, and the wires of all machines end in machine 0.
 */
async function runTogether(machines: readonly Machine[], { timeLimit, signal }: CheckedLabOptions) {
  const results: (MachineResult | undefined)[] = machines.map(() => undefined)
  const commands = machines.map(async ({ command }, host) => {
    const result = await command
    results[host] = result
    if (result.status !== 0) throw new FailedCommand(result.status)
  })
  const limit = new AbortController()
  const timer = timeLimit === undefined ? undefined : setTimeout(() => limit.abort(), timeLimit * 1000)
  let deafen = () => {}
  try {
    await Promise.race([
      Promise.all(commands),
      new Promise((_, reject) => {
        limit.signal.addEventListener('abort', () => reject(new FailedCommand(timedOut)))
        deafen = onAbort(signal, () => reject(abortReason(signal)))
      }),
    ])
    return { results, status: 0, timedOut: false }
  } catch (error) {
    if (!(error instanceof FailedCommand)) throw error
    return { results, status: error.status, timedOut: limit.signal.aborted }
  } finally {
    clearTimeout(timer)
    deafen()
  }
}

/** The status after the time limit: that of timeout(1). */
const timedOut = 124

/** This is no error of the lab. `runTogether` throws it to stop waiting for the other commands. */
class FailedCommand extends Error {
  readonly status: number

  constructor(status: number) {
    super(`ended with status ${status}`)
    this.status = status
  }
}
