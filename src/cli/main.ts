#!/usr/bin/env node
import { runCommandLine } from './command-line.js'
import { rootCommand } from './root-command.js'

// A reader that has seen enough (`pinfold doctor | head -1`) ends the program quietly; 'exit' listeners still run.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(process.exitCode ?? 0)
})

// Not process.exit: a pipe may still be taking what was written.
process.exitCode = await runCommandLine(rootCommand, process.argv.slice(2), process)
