import { defineCommand } from 'citty'
import { formatAddress } from '../addresses.js'
import { PinfoldError } from '../errors.js'
import { formatSize } from '../sizes.js'
import { readKernelFile } from '../system/kernel-files.js'
import { type ProcessMapping, readMappings } from '../system/process-mappings.js'
import type { PageFlags } from '../translate/page-flags.js'
import type { PageStates } from '../translate/pagemap.js'
import { type ProcessTranslation, translateProcess } from '../translate/process-translation.js'
import { commonArguments, parseAddress, parseCount, parseLength } from './arguments.js'
import { exitCode } from './exit-code.js'
import { formatCount, Output, type Paint, renderTable } from './output.js'
import { type Stretch, stretchesOf } from './translate/stretches.js'

/** The most stretches that the text lists without --all. */
const mostLines = 32

/** Shows the physical place of any process's memory, page by page, with the kernel's information about each page. */
export const translate = defineCommand({
  meta: { name: 'translate', description: 'Show where memory of a process is: physical runs, page states and flags' },
  args: {
    pid: { type: 'positional', description: 'The pid of the process', required: true },
    address: { type: 'positional', description: 'A virtual address of that process: 0x7f2a40000000', required: true },
    length: {
      type: 'positional',
      description: 'The length of the range: 4096, 64MiB (default: one byte)',
      required: false,
    },
    all: { type: 'boolean', description: `List every stretch, not only the first ${mostLines}` },
    ...commonArguments,
  },
  run({ args }) {
    const output = new Output({ json: args.json === true })
    const pid = parseCount(args.pid, 'a pid', 1)
    const address = parseAddress(args.address)
    const length = args.length === undefined ? 1 : parseLength(args.length)
    output.progress(`reading the pagemap of process ${pid} …`)
    const report = reportTranslation(translateProcess(pid, address, length))
    output.report(report, (report, paint) => renderTranslation(report, paint, args.all === true ? Infinity : mostLines))
    return report.states.hidden > 0 ? exitCode.permission : exitCode.ok
  },
})

export interface TranslationReport {
  readonly schema: 'pinfold/translate/1'
  readonly pid: number
  /** The process's name: the first 15 bytes (proc_pid_comm(5)). */
  readonly command: string
  readonly address: bigint
  /** Bytes. */
  readonly length: number
  /** Bytes of a base page. A larger page appears as a stretch of base pages. */
  readonly pageSize: number
  readonly states: PageStates
  readonly mappings: readonly ProcessMapping[]
  /** Physically contiguous ranges, cut to the range that was asked for. */
  readonly runs: readonly { readonly address: bigint; readonly physicalAddress: bigint; readonly length: number }[]
  /** Whole pages, with their flags. */
  readonly stretches: readonly Stretch[]
  /** The reason why there are no kernel flags; null if there are. */
  readonly kernelFlagsUnknown: string | null
}

function reportTranslation(translation: ProcessTranslation): TranslationReport {
  const { pid, address, length, pageSize, states } = translation
  const { frames, unknown } = readFrames(translation)
  return {
    schema: 'pinfold/translate/1',
    pid,
    command: readKernelFile(`/proc/${pid}/comm`)?.trim() ?? '',
    address,
    length,
    pageSize,
    states,
    mappings: readMappings(pid, address, length),
    runs: translation.runs().map((run) => ({ ...run, physicalAddress: BigInt(run.physicalAddress) })),
    stretches: [...stretchesOf(translation, frames)],
    kernelFlagsUnknown: unknown ?? null,
  }
}

/** Only root can read page flags. Without them, the rest of the report is still useful. */
function readFrames(translation: ProcessTranslation): { frames?: PageFlags; unknown?: string } {
  try {
    return { frames: translation.pageFlags }
  } catch (error) {
    if (error instanceof PinfoldError) return { unknown: error.message }
    throw error
  }
}

export function renderTranslation(report: TranslationReport, paint: Paint, most: number): string {
  const { pid, command, address, length, pageSize, states, mappings, stretches, kernelFlagsUnknown } = report
  const counts = Object.entries(states).filter(([, pages]) => pages > 0)
  const head = [
    paint(`process ${pid} (${command}), ${formatSize(length)} at ${formatAddress(address)}`, 'bold'),
    ...(mappings.length === 0
      ? ['in no mapping']
      : mappings.slice(0, 4).map((mapping) => `in ${formatMapping(mapping)}`)),
    `base pages of ${formatSize(pageSize)}: ${counts.map(([state, pages]) => `${formatCount(pages)} ${state}`).join(', ')}`,
    '',
  ]
  const rows = stretches.slice(0, most).map((stretch) => {
    const flags = [...stretch.flags, ...(stretch.kernelFlags ?? [])].map(asWords)
    return [
      formatAddress(stretch.address),
      stretch.physicalAddress === null ? paint(stretch.state, 'yellow') : formatAddress(stretch.physicalAddress),
      formatSize(stretch.length),
      stretch.mapCount === null ? '-' : `${stretch.mapCount}`,
      flags.join(', '),
    ]
  })
  const columns = [
    { title: 'virtual' },
    { title: 'physical' },
    { title: 'length', align: 'right' },
    { title: 'mapped', align: 'right' },
    { title: 'flags' },
  ] as const
  const tail = [
    ...(stretches.length > most ? [paint(`… ${formatCount(stretches.length - most)} more: --all`, 'dim')] : []),
    ...(kernelFlagsUnknown === null ? [] : ['', paint(`no kernel flags: ${kernelFlagsUnknown}`, 'yellow')]),
    ...exactByte(report),
  ]
  return [...head, renderTable(columns, rows, paint), ...tail].join('\n')
}

/** For one byte, the report also shows the address of the byte itself, not only that of its page. */
function exactByte({ runs, length }: TranslationReport): string[] {
  const [run] = runs
  return length === 1 && run !== undefined
    ? ['', `${formatAddress(run.address)} is at ${formatAddress(run.physicalAddress)}`]
    : []
}

function formatMapping({ start, end, permissions, name }: ProcessMapping): string {
  return `${formatAddress(start)} to ${formatAddress(end)} ${permissions} ${name === '' ? 'anonymous' : name}`
}

/** 'exclusivelyMapped' becomes 'exclusively mapped'. */
function asWords(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}
