import {
  type CompletedCommand,
  type CompletedOption,
  operandWords,
  pageSizes,
  singleQuoted,
  walkCommands,
} from './command-tree.js'

/** A completion script for zsh. It can be sourced, or saved as `_pinfold` in a folder of $fpath. */
export function renderZsh(root: CompletedCommand): string {
  const functions = walkCommands(root).map(({ path, command }) => renderFunction(path, command))
  return `#compdef pinfold
# pinfold completion for zsh. In ~/.zshrc, after compinit: source <(pinfold completion zsh)
${functions.join('\n')}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _pinfold "$@"
else
  compdef _pinfold pinfold
fi`
}

/** Renders one function for each command. The function of a command that contains others calls theirs. */
function renderFunction(path: readonly string[], { commands, options, operand }: CompletedCommand): string {
  const name = `_${path.join('_')}`
  const specs = options.map((option) => `    ${singleQuoted(optionSpec(option))}`)
  if (commands.length > 0) {
    const described = commands.map(({ name, description }) => `    ${singleQuoted(`${name}:${description}`)}`)
    const cases = commands.map(({ name: word }) => `        ${word}) ${name}_${word} ;;`)
    return `
${name}() {
  local line state
  local -a commands=(
${described.join('\n')}
  )
  _arguments -C \\
${specs.join(' \\\n')} \\
    '1: :->command' '*:: :->rest'
  case $state in
    command) _describe 'command' commands ;;
    rest)
      case $line[1] in
${cases.join('\n')}
      esac
      ;;
  esac
}`
  }
  const first = operandSpecs.get(operand)
  return `
${name}() {
  _arguments \\
${[...specs, ...(first === undefined ? [] : [`    ${singleQuoted(first)}`])].join(' \\\n')}
}`
}

const operandSpecs: ReadonlyMap<CompletedCommand['operand'], string> = new Map([
  ['page-size', `1:page size:(${pageSizes.join(' ')})`],
  ['benchmark', `1:benchmark:(${operandWords.get('benchmark')?.join(' ')})`],
  ['folder', '1:folder:_files -/'],
  ['pid', '1:process:_pids'],
])

/** Renders an option for _arguments. In a description, colons and brackets must be escaped. */
function optionSpec({ word, description, takesValue }: CompletedOption): string {
  const text = description.replace(/[[\]:\\]/g, '\\$&')
  const value = word === '--page-size' ? `:page size:(${pageSizes.join(' ')})` : ':value: '
  return `${word}${takesValue ? '=' : ''}[${text}]${takesValue ? value : ''}`
}
