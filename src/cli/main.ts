#!/usr/bin/env node
import { runCommandLine } from './command-line.js'
import { rootCommand } from './root-command.js'

// If the reader of stdout goes away early (`pinfold doctor | head -1`), the program ends quietly. Its 'exit' listeners
// still run.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(process.exitCode ?? 0)
})

// This is not process.exit(), since a pipe may not have taken all of the output yet.
process.exitCode = await runCommandLine(rootCommand, process.argv.slice(2), process)
