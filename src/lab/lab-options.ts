import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { checked, list, longestPath, optionsObject, signalOption, sizeOption, table, text } from '../options.js'
import { GiB, KiB, MiB } from '../sizes.js'
import { type ArchitectureName, architectureNames } from './architectures.js'

function whole(least: number, most: number) {
  const error = `expected a whole number from ${least} to ${most}`
  return z
    .number({ error })
    .check(z.refine((value) => Number.isInteger(value) && value >= least && value <= most, { error }))
}

/** With less memory, the guest does not start, or has no room for a program such as Node.js. */
const leastMemory = 256 * MiB

/**
 * The most characters of an argument or a variable, and the most arguments or variables, that the kernel accepts
 * (execve(2), MAX_ARG_STRLEN).
 */
const longestWord = 128 * KiB
const mostWords = 2 ** 15

const word = text(longestWord).check(
  z.refine((given) => !given.includes('\0'), { error: 'expected a text without NUL' }),
)

/** The most machines of a run: each takes 3 GiB. */
export const mostHosts = 8

const words = () => list(word, { least: 1, most: mostWords, expected: 'expected a command and its arguments' })

const labOptions = optionsObject({
  command: z.optional(words()),
  commands: z.optional(list(words(), { least: 1, most: mostHosts, expected: 'expected a command of each host' })),
  arch: z.optional(
    z.enum(architectureNames, { error: `expected ${architectureNames.map((name) => `'${name}'`).join(' or ')}` }),
  ),
  hosts: z.optional(whole(1, mostHosts)),
  numa: z.optional(whole(1, 8)),
  cpus: z.optional(whole(1, 64)),
  memory: z.optional(sizeOption.check(z.refine((size) => size >= leastMemory, { error: 'expected 256MiB or more' }))),
  iommu: z.optional(z.boolean()),
  edu: z.optional(z.boolean()),
  kernel: z.optional(text(longestPath).check(z.minLength(1))),
  modules: z.optional(text(longestPath).check(z.minLength(1))),
  out: z.optional(text(longestPath).check(z.minLength(1))),
  env: z.optional(
    table(text(longestWord).check(z.regex(/^[A-Za-z_]\w*$/, { error: 'expected names of variables' })), word, {
      most: mostWords,
      expected: 'expected variables by their names',
    }),
  ),
  timeLimit: z.optional(whole(1, 86_400)),
  signal: z.optional(signalOption),
})

/**
 * The command to run, and the machines to run it in.
 *
 * - `command`: the program and its arguments. The program is found as a shell finds it. `commands`: in its place, the command
 *   of each host.
 * - `arch`: the processor of the machines, by Node's name of it: that of this machine by default. A machine with another
 *   processor has its own /usr, from Debian's packages for it.
 * - `hosts`: the number of machines, which are connected to each other; at most 8. By default as many as there are commands.
 * - `cpus`, `memory`: processors (2 by default) and memory ('3GiB' by default) of each machine. `numa`: the number of
 *   NUMA nodes that both are spread over, 1 by default.
 * - `iommu`: an Intel IOMMU, or an SMMUv3 on arm64. `edu`: QEMU's teaching device, a PCI device with a DMA engine.
 * - `kernel`: a release ('6.1.0-56-amd64'), or the path of an image, whose modules are in `modules`.
 * - `out`: the folder of this machine that is $LAB_OUT there, 'lab-out' by default. If the run makes the folder and
 *   nothing is written into it, the run removes it again.
 * - `env`: variables for the command, beside PATH, HOME, LANG, TERM and a few more that it gets anyway.
 * - `timeLimit`: the seconds after the start of the machines after which they are shut down.
 */
export type LabOptions = Readonly<z.input<typeof labOptions>>

export interface CheckedLabOptions {
  /** The command of each host. */
  readonly commands: readonly (readonly string[])[]
  /** Undefined for the processor of this machine. */
  readonly arch: ArchitectureName | undefined
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
  const commands = commandsOf(given)
  return {
    commands,
    arch: given.arch,
    hosts: commands.length,
    numa,
    cpus: Math.max(given.cpus ?? 2, numa),
    // The memory is rounded up to whole MiB, the same for each node.
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

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` unless there is a command, or one for each host */
function commandsOf({ command, commands, hosts }: z.output<typeof labOptions>): readonly (readonly string[])[] {
  if (command !== undefined && commands === undefined) return Array.from({ length: hosts ?? 1 }, () => command)
  if (command === undefined && commands !== undefined && (hosts ?? commands.length) === commands.length) return commands
  const what = commands === undefined ? 'a command' : 'either command or commands, and as many hosts as commands'
  throw new PinfoldError(`lab: command: expected ${what}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { command, commands, hosts },
  })
}
