import type { ArgsDef, CommandDef } from 'citty'
import { benchmarkNames } from '../bench/benchmarks.js'
import { resolve } from '../resolvable.js'

/** An option that a shell completes. */
export interface CompletedOption {
  /** With its dashes: '--node'. */
  readonly word: string
  readonly description: string
  readonly takesValue: boolean
}

/** The kinds of words that a command's first operand may be. */
export type CompletedOperand = 'page-size' | 'benchmark' | 'folder' | 'pid' | 'nothing'

/** A command, with everything that may follow it. */
export interface CompletedCommand {
  readonly name: string
  readonly description: string
  readonly options: readonly CompletedOption[]
  /** The kind of the first operand. The later operands are numbers, which no shell can complete. */
  readonly operand: CompletedOperand
  readonly commands: readonly CompletedCommand[]
}

const operands: ReadonlyMap<string, CompletedOperand> = new Map([
  ['size', 'page-size'],
  ['benchmark', 'benchmark'],
  ['path', 'folder'],
  ['pid', 'pid'],
])

/** The page sizes that the scripts offer: those of common machines. */
export const pageSizes = ['2MiB', '1GiB', '64KiB', '32MiB', '512MiB', '16GiB']

/** The words that an operand may be, if they are known. */
export const operandWords: ReadonlyMap<CompletedOperand, readonly string[]> = new Map([
  ['page-size', pageSizes],
  ['benchmark', benchmarkNames],
])

/** The tree of commands as plain values. */
export async function readCommandTree(command: CommandDef<ArgsDef>, name = 'pinfold'): Promise<CompletedCommand> {
  const meta = await resolve(command.meta)
  const args = Object.entries((await resolve(command.args)) ?? {})
  const subCommands = Object.entries((await resolve(command.subCommands)) ?? {})
  const commands: CompletedCommand[] = []
  for (const [name, subCommand] of subCommands) {
    const resolved = await resolve(subCommand)
    if (resolved !== undefined) commands.push(await readCommandTree(resolved, name))
  }
  const options = args
    .filter(([, { type }]) => type !== 'positional')
    .map(([name, { type, description = '' }]) => ({ word: `--${name}`, description, takesValue: type !== 'boolean' }))
  const [operand = ''] = args.find(([, { type }]) => type === 'positional') ?? []
  return {
    name,
    description: meta?.description ?? '',
    options: [...options, { word: '--help', description: 'Show the usage', takesValue: false }],
    operand: operands.get(operand) ?? 'nothing',
    commands,
  }
}

/** Every command with the words that lead to it, parents first. */
export function walkCommands(
  command: CompletedCommand,
  path: readonly string[] = [],
): { readonly path: readonly string[]; readonly command: CompletedCommand }[] {
  const here = [...path, command.name]
  return [{ path: here, command }, ...command.commands.flatMap((next) => walkCommands(next, here))]
}

/** Quotes a text with single quotes for a POSIX-like shell. */
export function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
