import { parseArgs as parseWords, stripVTControlCharacters } from 'node:util'
import { type ArgsDef, type CommandDef, renderUsage, runCommand } from 'citty'
import { PinfoldError, toPinfoldError } from '../errors.js'
import { ownProgram } from '../system/own-command.js'
import { commandExamples } from './examples.js'
import { exitCode, exitCodeOf } from './exit-code.js'
import { Output, plain, type Surroundings, wantsColour } from './output.js'
import { resolve } from './resolvable.js'

/** A command with any arguments, as citty's tree of commands contains it. */
type AnyCommand = CommandDef<ArgsDef>

/** A command that the words of a command line lead to. */
interface FoundCommand {
  /** The words that lead to the command: ['pinfold', 'hugepages', 'show']. */
  readonly path: readonly string[]
  readonly command: AnyCommand
  /** The words after the command. */
  readonly rest: readonly string[]
}

/** A command line that was not understood. */
class UsageError extends PinfoldError {
  /** The command's usage on one line; undefined if it is not clear which command was meant. */
  readonly usage: string | undefined

  constructor(message: string, path: readonly string[], usage?: string) {
    super(message, { code: 'ERR_INVALID_ARGUMENT', hint: `${path.join(' ')} --help` })
    this.usage = usage
  }
}

/**
 * Runs the command that the words name, and returns its exit code: the number that the command's `run` returns,
 * otherwise 0.
 *
 * citty holds the commands, their arguments and their usage. It accepts unknown options, values of options that take
 * none, and too few or too many words. All of these are refused here.
 */
export async function runCommandLine(
  root: AnyCommand,
  words: readonly string[],
  around: Surroundings,
): Promise<number> {
  const output = new Output({ json: saysJson(words) }, around)
  let path: readonly string[] = ['pinfold']
  try {
    const found = await findCommand(root, words)
    path = found.path
    if (beforeDashes(words).some((word) => word === '--help' || word === '-h')) {
      around.stdout.write(`${await usage(found, wantsColour(around.stdout, around.env))}\n`)
      return exitCode.ok
    }
    if (found.command.run === undefined) return await refuseWithUsage(found, output)
    await refuseWrongWords(found)
    const { result } = await runCommand(found.command, { rawArgs: [...found.rest] })
    return typeof result === 'number' ? result : exitCode.ok
  } catch (error) {
    const failure = isCittyError(error) ? new UsageError(stripVTControlCharacters(error.message), path) : error
    complain(failure, output)
    return exitCodeOf(failure)
  }
}

/**
 * Reports an error as text on stderr. With --json, the error is also an object on stdout, so that a script has to read
 * only one stream.
 */
export function complain(error: unknown, output: Output): void {
  const { code, message, syscall, errno, values, hint } = toPinfoldError(error)
  if (output.json) {
    output.report({ schema: 'pinfold/error/1', code, message, syscall, errno, values, hint }, () => '')
  }
  if (!(error instanceof PinfoldError)) {
    // An unforeseen error is a defect of pinfold. Its stack helps to find it.
    output.complain(error instanceof Error ? (error.stack ?? error.message) : String(error))
    return
  }
  output.complain(`${output.paintError('error', 'red')}  ${message} (${code})`)
  if (error instanceof UsageError && error.usage !== undefined) {
    output.complain(`${output.paintError('usage', 'cyan')}  ${error.usage}`)
  }
  const label = error instanceof UsageError ? 'see' : 'mend'
  if (hint !== undefined) output.complain(`${output.paintError(label.padEnd(7), 'cyan')}${hint}`)
}

async function findCommand(root: AnyCommand, words: readonly string[]): Promise<FoundCommand> {
  let found: FoundCommand = { path: [(await resolve(root.meta))?.name ?? 'pinfold'], command: root, rest: words }
  while (true) {
    const subCommands = await resolve(found.command.subCommands)
    if (subCommands === undefined) return found
    const [word] = found.rest
    // Options before a command belong to the default command. If there is none, refuseWithUsage refuses them.
    const isDefault = word === undefined || word.startsWith('-')
    const name = isDefault ? await resolve(found.command.default) : word
    if (name === undefined) return found
    const next = Object.hasOwn(subCommands, name) ? await resolve(subCommands[name]) : undefined
    if (next === undefined) {
      throw new UsageError(`expected a command (${Object.keys(subCommands).join(', ')}), not '${name}'`, found.path)
    }
    if (isDefault && found.rest.some((word) => word === '--help' || word === '-h')) return found
    found = { path: [...found.path, name], command: next, rest: isDefault ? found.rest : found.rest.slice(1) }
  }
}

/**
 * Refuses a command that only contains other commands and was named alone. Its usage goes to stderr, since nothing was
 * done.
 */
async function refuseWithUsage(found: FoundCommand, output: Output): Promise<number> {
  const [word] = found.rest
  if (word !== undefined) throw new UsageError(`unknown option '${word}'`, found.path)
  output.complain(await usage(found, output.paintError !== plain))
  return exitCode.usage
}

async function refuseWrongWords({ path, command, rest }: FoundCommand): Promise<void> {
  const definitions = Object.entries((await resolve(command.args)) ?? {})
  const options: Record<string, { type: 'boolean' | 'string'; short?: string }> = {}
  for (const [name, { type, ...definition }] of definitions) {
    if (type === 'positional') continue
    const alias = 'alias' in definition ? [definition.alias ?? []].flat()[0] : undefined
    options[name] = {
      type: type === 'boolean' ? 'boolean' : 'string',
      ...(alias === undefined ? {} : { short: alias }),
    }
  }
  const operands = definitions.filter(([, { type }]) => type === 'positional')
  const usage = synopsis(path, operands)
  try {
    const { positionals } = parseWords({
      args: [...ownWords(definitions, rest)],
      options,
      allowPositionals: true,
      strict: true,
    })
    const extra = positionals[operands.length]
    if (extra !== undefined) throw new UsageError(`one word too many: '${extra}'`, path, usage)
    const missing = operands.slice(positionals.length).find(([, operand]) => isRequired(operand))
    if (missing !== undefined) {
      const [name, { description }] = missing
      throw new UsageError(`${name.toUpperCase()} is missing (${description})`, path, usage)
    }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(wordsOf(error instanceof Error ? error.message : String(error)), path, usage)
  }
}

/** The message of node:util's parser, without its advice after the first sentence. */
function wordsOf(message: string): string {
  const [, option, isAmbiguous] =
    /^Option '(?:-\w, )?(--?[\w-]+)[^']*' argument (?:missing|is (ambiguous))/.exec(message) ?? []
  if (isAmbiguous) return `${option} is missing its value; a value that begins with '-' is written ${option}=VALUE`
  if (option !== undefined) return `${option} is missing its value`
  const [sentence = ''] = message.split(/\.\s/)
  return sentence.replace(/^./, (letter) => letter.toLowerCase()).replace(/\.$/, '')
}

type Definition = readonly [name: string, ArgsDef[string]]

/** citty's own rule: an operand is required unless it is optional or has a default. */
function isRequired(operand: ArgsDef[string]): boolean {
  return operand.required !== false && operand.default === undefined
}

/** 'pinfold hugepages reserve SIZE [PAGES] [options]' */
function synopsis(path: readonly string[], operands: readonly Definition[]): string {
  const words = operands.map(([name, operand]) => {
    return isRequired(operand) ? name.toUpperCase() : `[${name.toUpperCase()}]`
  })
  return [...path, ...words, '[options]'].join(' ')
}

/**
 * The words that this command itself has to understand. These are all words, unless its operand is another command,
 * whose own words follow `--`.
 */
function ownWords(definitions: readonly [string, { readonly type?: string }][], rest: readonly string[]) {
  const takesCommand = definitions.some(([name, { type }]) => type === 'positional' && name === 'command')
  return takesCommand ? beforeDashes(rest) : rest
}

async function usage({ path, command }: FoundCommand, colour: boolean): Promise<string> {
  const name = path[path.length - 1] ?? ''
  const meta = await resolve(command.meta)
  const text = await renderUsage(
    { ...command, meta: { ...meta, name } },
    path.length > 1 ? { meta: { name: path.slice(0, -1).join(' ') } } : undefined,
  )
  const examples = (commandExamples[path.join(' ')] ?? []).map((example) => `  ${asTyped(example)}`)
  const whole = [text.trimEnd(), ...(examples.length > 0 ? ['', 'EXAMPLES', '', ...examples] : []), ''].join('\n')
  return (colour ? whole : stripVTControlCharacters(whole)).replace(/[ \t]+$/gm, '')
}

/** An example as it has to be typed here: pinfold is perhaps not on the PATH. */
function asTyped(example: string): string {
  return example.replace(/^pinfold(?= )/, ownProgram())
}

function beforeDashes(words: readonly string[]): readonly string[] {
  const dashes = words.indexOf('--')
  return dashes < 0 ? words : words.slice(0, dashes)
}

/**
 * True if the words ask for JSON. This is decided before the words are parsed, since a parse error is reported as JSON,
 * too.
 */
function saysJson(words: readonly string[]): boolean {
  return beforeDashes(words).some((word) => word === '--json' || word === '--json=true')
}

/**
 * citty does not export the class of its errors. Their messages are about missing words and about values that are not
 * among the choices.
 */
function isCittyError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'CLIError'
}
