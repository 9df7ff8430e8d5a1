import { defineCommand } from 'citty'
import { PinfoldError } from '../../errors.js'
import { runLab } from '../../lab/run-lab.js'
import { Output } from '../output.js'
import { machineArguments, machineOptions } from './machine-arguments.js'
import { whileInterruptible } from './run.js'

/** Opens a shell in a virtual machine, on this terminal. */
export const shell = defineCommand({
  meta: { name: 'shell', description: 'Open a shell there; exit, or Ctrl-D, ends it' },
  args: machineArguments,
  async run({ args }) {
    if (process.stdin.isTTY !== true || process.stdout.isTTY !== true) {
      throw new PinfoldError('lab shell: this is no terminal', {
        code: 'ERR_INVALID_ARGUMENT',
        hint: 'pinfold lab run -- command…',
      })
    }
    const output = new Output({ json: false })
    const { columns, rows } = process.stdout
    const start = `stty rows ${rows} columns ${columns} 2>/dev/null; exec "\${SHELL:-/bin/sh}" -i`
    const command = ['/bin/sh', '-c', start]
    const result = await whileInterruptible((signal) =>
      runLab(
        { ...machineOptions(args), command, signal },
        () => ({ console: args.verbose === true ? process.stderr : undefined }),
        { progress: (what) => output.progress(what), terminal: true },
      ).finally(() => output.clearProgress()),
    )
    return typeof result === 'number' ? result : result.status
  },
})
