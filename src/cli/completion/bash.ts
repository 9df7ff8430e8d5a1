import { type CompletedCommand, operandWords, pageSizes, singleQuoted, walkCommands } from './command-tree.js'

/** A completion script for bash 4 and newer; it needs no bash-completion package. */
export function renderBash(root: CompletedCommand): string {
  const all = walkCommands(root)
  const steps = all.slice(1).map(({ path }) => `      ${singleQuoted(path.join(' '))}) command=${quoted(path)} ;;`)
  const cases = all.map(({ path, command }) => {
    const { commands, options, operand } = command
    const words = [...commands.map(({ name }) => name), ...(operandWords.get(operand) ?? [])]
    const values = options.filter(({ takesValue }) => takesValue).map(({ word }) => word)
    const lines = [
      `    ${quoted(path)})`,
      `      words=${singleQuoted(words.join(' '))}`,
      `      options=${singleQuoted(options.map(({ word }) => word).join(' '))}`,
      `      values=${singleQuoted(` ${values.join(' ')} `)}`,
      ...(operand === 'folder' ? ['      folders=1'] : []),
      ...(operand === 'pid' ? ['      words=$(cd /proc && echo [0-9]*)'] : []),
      '      ;;',
    ]
    return lines.join('\n')
  })
  return `# pinfold completion for bash. In ~/.bashrc: source <(pinfold completion bash)
_pinfold() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local command=pinfold words='' options='' values='' folders='' at
  for ((at = 1; at < COMP_CWORD; at++)); do
    case "$command \${COMP_WORDS[at]}" in
${steps.join('\n')}
    esac
  done
  case $command in
${cases.join('\n')}
  esac
  COMPREPLY=()
  if [[ $previous == --* && $values == *" $previous "* ]]; then
    [[ $previous == --page-size ]] && COMPREPLY=($(compgen -W ${singleQuoted(pageSizes.join(' '))} -- "$current"))
  elif [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif [[ $folders ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -d -- "$current")
  else
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}
complete -F _pinfold pinfold`
}

function quoted(path: readonly string[]): string {
  return singleQuoted(path.join(' '))
}
