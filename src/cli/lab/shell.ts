import { defineCommand } from 'citty'
import { PinfoldError } from '../../errors.js'
import { runLab } from '../../lab/run-lab.js'
import { ownCommand } from '../../system/own-command.js'
import { Output } from '../output.js'
import { machineArguments, machineOptions } from './machine-arguments.js'
import { whileInterruptible } from './run.js'
import { RawTerminal } from './terminal.js'

/** Opens a shell in a virtual machine, on this terminal. */
export const shell = defineCommand({
  meta: { name: 'shell', description: 'Open a shell in a virtual machine; exit or Ctrl-D ends it' },
  args: machineArguments,
  async run({ args, rawArgs }) {
    const { stdin, stdout } = process
    if (stdin.isTTY !== true || stdout.isTTY !== true) {
      throw new PinfoldError('lab shell: there is no terminal on stdin and stdout', {
        code: 'ERR_INVALID_ARGUMENT',
        hint: ownCommand('lab run -- command…'),
      })
    }
    const terminal = new RawTerminal()
    const output = new Output({ json: false })
    const options = machineOptions(args, rawArgs)
    // A machine with another processor has this shell, and no other.
    const isForeign = options.arch !== undefined && options.arch !== process.arch
    const command = [isForeign ? '/bin/bash' : (process.env.SHELL ?? '/bin/sh'), '-i']
    const result = await whileInterruptible((signal) =>
      runLab(
        { ...options, command, signal },
        () => ({ terminal, console: args.verbose === true ? process.stderr : undefined }),
        (what) => output.progress(what),
      ).finally(() => {
        output.clearProgress()
        terminal.restore()
        stdin.destroy()
      }),
    )
    return typeof result === 'number' ? result : result.status
  },
})
