import { parseArgs } from 'node:util'
import { type ArchitectureName, architectureNames } from '../../lab/architectures.js'
import type { LabOptions } from '../../lab/lab-options.js'
import { badArgument, parseCount, parseLength } from '../arguments.js'

/** The options of every command that starts machines. */
export const machineArguments = {
  arch: { type: 'string', description: "Processor of each machine: x64 or arm64 (default: this machine's)" },
  numa: { type: 'string', description: 'NUMA nodes of each machine (default: 1)' },
  cpus: { type: 'string', description: 'Processors of each machine (default: 2)' },
  memory: { type: 'string', description: 'Memory of each machine (default: 3GiB)' },
  iommu: { type: 'boolean', description: 'Give each machine an IOMMU: of Intel, or an SMMUv3 on arm64' },
  edu: { type: 'boolean', description: "Give each machine QEMU's edu device: PCI, with a DMA engine" },
  kernel: {
    type: 'string',
    description: 'A release, or the path of an image (default: the newest of the distribution)',
  },
  modules: { type: 'string', description: "The folder of that image's modules" },
  out: { type: 'string', description: 'The folder of this machine that is $LAB_OUT there (default: lab-out)' },
  env: {
    type: 'string',
    description: 'A variable for the command: NAME=value, or NAME to pass it on. Can be repeated',
  },
  'time-limit': { type: 'string', description: 'Seconds after which all machines are shut down, with status 124' },
  verbose: { type: 'boolean', description: "Show the machines' consoles, too" },
} as const

interface MachineWords {
  readonly arch?: string | undefined
  readonly numa?: string | undefined
  readonly cpus?: string | undefined
  readonly memory?: string | undefined
  readonly iommu?: boolean | undefined
  readonly edu?: boolean | undefined
  readonly kernel?: string | undefined
  readonly modules?: string | undefined
  readonly out?: string | undefined
  readonly 'time-limit'?: string | undefined
}

/** Parses the arguments into the options of a lab. @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function machineOptions(words: MachineWords, rawWords: readonly string[]): Omit<LabOptions, 'command'> {
  const count = (word: string | undefined, what: string) => (word === undefined ? undefined : parseCount(word, what, 1))
  return {
    arch: words.arch === undefined ? undefined : parseArchitecture(words.arch),
    numa: count(words.numa, 'NUMA nodes'),
    cpus: count(words.cpus, 'processors'),
    memory: words.memory === undefined ? undefined : parseLength(words.memory),
    iommu: words.iommu === true,
    edu: words.edu === true,
    kernel: words.kernel,
    modules: words.modules,
    out: words.out,
    env: parseVariables(rawWords),
    timeLimit: count(words['time-limit'], 'seconds'),
  }
}

function parseArchitecture(word: string): ArchitectureName {
  const known = architectureNames.find((name) => name === word)
  if (known === undefined) throw badArgument(`a processor, ${architectureNames.join(' or ')}`, word)
  return known
}

function parseVariables(rawWords: readonly string[]): Record<string, string> {
  const options = Object.fromEntries(
    Object.entries(machineArguments).map(([name, { type }]) => [name, { type, multiple: true }]),
  )
  const { tokens } = parseArgs({ args: [...rawWords], options, strict: false, tokens: true, allowPositionals: true })
  const variables: Record<string, string> = {}
  for (const token of tokens) {
    if (token.kind === 'option-terminator') break
    if (token.kind !== 'option' || token.name !== 'env') continue
    const [, name, , value] = /^([A-Za-z_]\w*)(=(.*))?$/s.exec(token.value ?? '') ?? []
    if (name === undefined)
      throw badArgument('a variable such as NAME=value, or the name of a variable of this process', token.value)
    const given = value ?? process.env[name]
    if (given !== undefined) variables[name] = given
  }
  return variables
}
