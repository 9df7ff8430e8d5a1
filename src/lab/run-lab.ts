import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { abortReason, onAbort, throwIfAborted } from '../abort.js'
import { findAccelerator } from './accelerator.js'
import type { Accelerator } from './emulator-arguments.js'
import { commandScript, labVariables } from './guest-command.js'
import { findInitramfs } from './initramfs.js'
import { findKernelImage } from './kernel-image.js'
import { type CheckedLabOptions, checkedLabOptions, type LabOptions } from './lab-options.js'
import { Machine, type MachineResult, type MachineStreams } from './machine.js'
import { findBusybox, findEmulator, findGuestTools, findKernel, requireArchitecture } from './parts.js'

/** What is told while it goes on. */
export type LabProgress = (what: string) => void

export interface LabResult {
  /** The first status of a host that is not 0, in the order in which they ended; 124 after the time limit, as timeout(1). */
  readonly status: number
  readonly timedOut: boolean
  readonly hosts: readonly MachineResult[]
  readonly accelerator: Accelerator
  /** The kernel's release in the guest. */
  readonly kernel: string
  /** The folder with what was written under $LAB_OUT, when anything was; with several hosts `host0`, `host1`, … in it. */
  readonly out: string | undefined
}

/** Where the streams of a host go. */
export type StreamsOf = (host: number) => MachineStreams

/**
 * Runs a command in virtual machines in which rxe0 is an RDMA device, over this machine's files: what it writes is gone
 * afterwards, but for what is under $LAB_OUT. Whatever ends this process ends the machines.
 *
 * @throws the signal's reason when it is aborted; PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_UNSUPPORTED` (no x86-64),
 *   `ERR_LAB_UNAVAILABLE` (what is missing, and the command that mends it), `ERR_LAB_FAILED` (a machine has not started)
 */
export async function runLab(
  given: LabOptions,
  streamsOf: StreamsOf,
  around: { readonly progress?: LabProgress; readonly terminal?: boolean } = {},
): Promise<LabResult> {
  const options = checkedLabOptions(given)
  const { progress = () => {}, terminal = false } = around
  throwIfAborted(options.signal)
  requireArchitecture()
  progress('looking for QEMU and a kernel …')
  const [emulator, busybox, tools, kernel] = [
    await findEmulator(),
    await findBusybox(),
    await findGuestTools(),
    await findKernel(options.kernel, options.modules),
  ]
  const initramfs = await findInitramfs(kernel, busybox, options)
  const image = await findKernelImage(kernel.image)
  const accelerator = await findAccelerator(emulator, image)
  const out = new Output(options)
  progress('starting …')
  const sockets = `pinfold-lab-${randomUUID()}-`
  const machines = Array.from({ length: options.hosts }, (_, host) => {
    const variables = { ...options.env, ...labVariables(host, options.hosts) }
    const plan = { emulator, accelerator, image, initramfs, tools, host, options, sockets, terminal }
    const script = commandScript(options.command, variables)
    return new Machine({ ...plan, out: out.folderOf(host) }, script, streamsOf(host))
  })
  try {
    const { results, status, timedOut } = await runTogether(machines, options)
    return { status, timedOut, hosts: results, accelerator, kernel: kernel.release, out: out.filled() }
  } finally {
    out.dropEmpty()
  }
}

/** Runs all until all have ended, or one has failed, or time is up: then the others are taken down. */
async function runTogether(machines: readonly Machine[], { timeLimit, signal }: CheckedLabOptions) {
  const stopAll = () => {
    for (const machine of machines) machine.stop()
  }
  let status = 0
  let timedOut = false
  let failure: unknown
  const results: MachineResult[] = []
  const timer =
    timeLimit === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true
          stopAll()
        }, timeLimit * 1000)
  const deafen = onAbort(signal, stopAll)
  const runs = machines.map(async (machine, host) => {
    try {
      const result = await machine.run()
      results[host] = result
      if (result.status === 0 || status !== 0) return
      status = result.status
      stopAll()
    } catch (error) {
      // Of those that were taken down, the first failure has told why.
      if (status === 0 && failure === undefined) failure = error
      stopAll()
    }
  })
  await Promise.all(runs)
  clearTimeout(timer)
  deafen()
  throwIfAbortedNow(signal)
  if (timedOut) return { results, status: 124, timedOut }
  if (failure !== undefined) throw failure
  return { results, status, timedOut }
}

function throwIfAbortedNow(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortReason(signal)
}

/** The folder that is $LAB_OUT in the guests. One that nobody has written into, and that we have made, goes again. */
class Output {
  readonly #root: string
  readonly #folders: readonly string[]
  readonly #made: boolean

  constructor({ out, hosts }: CheckedLabOptions) {
    this.#root = resolve(out)
    this.#made = !existsSync(this.#root)
    const names = hosts === 1 ? ['.'] : Array.from({ length: hosts }, (_, host) => `host${host}`)
    this.#folders = names.map((name) => join(this.#root, name))
    for (const folder of this.#folders) mkdirSync(folder, { recursive: true })
  }

  folderOf(host: number): string {
    return this.#folders[host] ?? this.#root
  }

  /** The folder, when there is anything in it. */
  filled(): string | undefined {
    return this.#folders.some((folder) => readdirSync(folder).length > 0) ? this.#root : undefined
  }

  dropEmpty(): void {
    for (const folder of this.#folders) {
      if (folder !== this.#root && existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder)
    }
    if (this.#made && existsSync(this.#root) && readdirSync(this.#root).length === 0) rmdirSync(this.#root)
  }
}
