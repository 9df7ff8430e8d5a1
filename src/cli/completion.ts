import { defineCommand } from 'citty'
import { commonArguments } from './arguments.js'
import { renderBash } from './completion/bash.js'
import { readCommandTree } from './completion/command-tree.js'
import { renderFish } from './completion/fish.js'
import { renderZsh } from './completion/zsh.js'
import { Output } from './output.js'

const renderers = { bash: renderBash, zsh: renderZsh, fish: renderFish } as const

/**
 * Prints a script that makes a shell complete pinfold's words. The script is made from the definitions of the commands.
 */
export const completion = defineCommand({
  meta: { name: 'completion', description: 'Print the completion script of a shell: bash, zsh, fish' },
  subCommands: { bash: forShell('bash'), zsh: forShell('zsh'), fish: forShell('fish') },
})

function forShell(shell: keyof typeof renderers) {
  const uses = {
    bash: 'source <(pinfold completion bash)',
    zsh: 'source <(pinfold completion zsh)',
    fish: 'pinfold completion fish | source',
  }
  return defineCommand({
    meta: { name: shell, description: `Print the script of ${shell}: ${uses[shell]}` },
    args: commonArguments,
    async run({ args }) {
      // Imported here and not above, since the tree contains this command, too.
      const { rootCommand } = await import('./root-command.js')
      const script = renderers[shell](await readCommandTree(rootCommand))
      const report = { schema: 'pinfold/completion/1', shell, use: uses[shell], script } as const
      new Output({ json: args.json === true }).report(report, ({ script }) => script)
    },
  })
}
