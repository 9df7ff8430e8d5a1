import { type CompletedCommand, operandWords, pageSizes, walkCommands } from './command-tree.js'

/**
 * A completion script for fish. It contains one `complete` for each word, with the condition under which fish offers
 * the word.
 */
export function renderFish(root: CompletedCommand): string {
  const lines = walkCommands(root).flatMap(({ path, command }) => renderCommand(path.slice(1), command))
  return `# pinfold completion for fish. pinfold completion fish > ~/.config/fish/completions/pinfold.fish
complete -c pinfold -f
${lines.join('\n')}`
}

function renderCommand(path: readonly string[], { commands, options, operand }: CompletedCommand): string[] {
  const names = commands.map(({ name }) => name)
  // The line contains all words of the path, and none of the commands below it yet.
  const conditions = [
    ...path.map((word) => `__fish_seen_subcommand_from ${word}`),
    ...(names.length > 0 ? [`not __fish_seen_subcommand_from ${names.join(' ')}`] : []),
  ]
  const condition = conditions.length > 0 ? ` -n ${quoted(conditions.join('; and '))}` : ''
  const complete = `complete -c pinfold${condition}`
  const lines = commands.map(({ name, description }) => `${complete} -a ${name} -d ${quoted(description)}`)
  for (const { word, description, takesValue } of options) {
    const value = word === '--page-size' ? ` -a ${quoted(pageSizes.join(' '))}` : ''
    lines.push(`${complete} -l ${word.slice(2)}${takesValue ? ' -x' : ''}${value} -d ${quoted(description)}`)
  }
  const words = operandWords.get(operand)
  if (words !== undefined) lines.push(`${complete} -a ${quoted(words.join(' '))}`)
  if (operand === 'folder') lines.push(`${complete} -a '(__fish_complete_directories)'`)
  if (operand === 'pid') lines.push(`${complete} -a '(__fish_complete_pids)'`)
  return lines
}

/** In fish's single quotes, only a quote and a backslash are escaped. */
function quoted(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`
}
