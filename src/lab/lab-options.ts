import * as z from 'zod'
import { checked, list, longestPath, optionsObject, signalOption, sizeOption, table, text } from '../options.js'
import { GiB, KiB, MiB } from '../sizes.js'

function whole(least: number, most: number) {
  const error = `expected a whole number from ${least} to ${most}`
  return z.number({ error }).refine((value) => Number.isInteger(value) && value >= least && value <= most, { error })
}

/** With less the guest does not start, or a program such as Node.js has no room. */
const leastMemory = 256 * MiB

/** As long as the kernel lets an argument or a variable be, and as many as fit (execve(2), MAX_ARG_STRLEN). */
const longestWord = 128 * KiB
const mostWords = 2 ** 15

const word = text(longestWord).refine((given) => !given.includes('\0'), { error: 'expected a text without NUL' })

const labOptions = optionsObject({
  command: list(word, { least: 1, most: mostWords, expected: 'expected a command and its arguments' }),
  hosts: whole(1, 8).optional(),
  numa: whole(1, 8).optional(),
  cpus: whole(1, 64).optional(),
  memory: sizeOption.refine((size) => size >= leastMemory, { error: 'expected 256MiB or more' }).optional(),
  iommu: z.boolean().optional(),
  edu: z.boolean().optional(),
  kernel: text(longestPath).min(1).optional(),
  modules: text(longestPath).min(1).optional(),
  out: text(longestPath).min(1).optional(),
  env: table(text(longestWord).regex(/^[A-Za-z_]\w*$/, { error: 'expected names of variables' }), word, {
    most: mostWords,
    expected: 'expected variables by their names',
  }).optional(),
  timeLimit: whole(1, 86_400).optional(),
  signal: signalOption.optional(),
})

/**
 * What is to run, and in which machine.
 *
 * - `command`: the program and its arguments; it is found as a shell finds it.
 * - `hosts`: machines joined by a wire, 1 by default, at most 8.
 * - `cpus` (2), `memory` ('3GiB'), `numa`: NUMA nodes that they are spread over (1): of each machine.
 * - `iommu`: an Intel IOMMU. `edu`: QEMU's teaching device, a PCI device with a DMA engine.
 * - `kernel`: a version ('6.1.0-56-amd64'), or the path of an image, whose modules are in `modules`.
 * - `out`: the folder of this machine that is $LAB_OUT there, 'lab-out' by default; it is made, and goes
 *   again when nothing was written into it.
 * - `env`: variables for the command, beside PATH, HOME, LANG, TERM and a few more that it gets anyway.
 * - `timeLimit`: seconds, from the start of the machine on.
 */
export type LabOptions = Readonly<z.input<typeof labOptions>>

export interface CheckedLabOptions {
  readonly command: readonly string[]
  readonly hosts: number
  readonly numa: number
  readonly cpus: number
  readonly memory: number
  readonly iommu: boolean
  readonly edu: boolean
  readonly kernel: string | undefined
  readonly modules: string | undefined
  readonly out: string | undefined
  readonly env: Readonly<Record<string, string>>
  readonly timeLimit: number | undefined
  readonly signal: AbortSignal | undefined
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function checkedLabOptions(options: LabOptions): CheckedLabOptions {
  const given = checked('lab', labOptions, options)
  const numa = given.numa ?? 1
  return {
    command: given.command,
    hosts: given.hosts ?? 1,
    numa,
    cpus: Math.max(given.cpus ?? 2, numa),
    // In whole MiB, and the same for each node.
    memory: Math.ceil((given.memory ?? 3 * GiB) / numa / MiB) * numa * MiB,
    iommu: given.iommu ?? false,
    edu: given.edu ?? false,
    kernel: given.kernel,
    modules: given.modules,
    out: given.out,
    env: Object.fromEntries(given.env ?? []),
    timeLimit: given.timeLimit,
    signal: given.signal,
  }
}
