#!/usr/bin/env node
import { readPackageVersion } from './package-version.js'

// If the reader of stdout goes away early (`pinfold doctor | head -1`), the program ends quietly. Its 'exit' listeners
// still run.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(process.exitCode ?? 0)
})

const words = process.argv.slice(2)
if (words[0] === '--version' || words[0] === '-v') {
  process.stdout.write(`${readPackageVersion()}\n`)
} else {
  const { runCommandLine } = await import('./command-line.js')
  const { rootCommand } = await import('./root-command.js')
  // This is not process.exit(), since a pipe may not have taken all of the output yet.
  process.exitCode = await runCommandLine(rootCommand, words, process)
}
