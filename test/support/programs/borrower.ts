import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { createInterface } from 'node:readline'
import { borrowHugepages } from '../../../src/hugepages/index.js'

// Borrows hugepages, prints a line, and then ends as it is told on stdin. Its mode says whether it listens to SIGINT,
// is interrupted at the write that raises the pool, or closes the journal whose lock says that it lives.

const [pageSize, pages, mode] = process.argv.slice(2)
if (mode === 'listens') process.on('SIGINT', () => console.log('interrupted'))
if (mode === 'is interrupted') {
  const { writeSync } = fs
  fs.writeSync = ((file: number, text: string) => {
    if (/^\d+$/.test(text)) process.kill(process.pid, 'SIGINT')
    return writeSync(file, text)
  }) as typeof writeSync
  syncBuiltinESMExports()
}
const loan = borrowHugepages({ pageSize: Number(pageSize), pages: Number(pages) })
if (mode === 'loses its lock') {
  for (const name of fs.readdirSync('/proc/self/fd')) {
    const path = fs.existsSync(`/proc/self/fd/${name}`) ? fs.readlinkSync(`/proc/self/fd/${name}`) : ''
    if (path.startsWith('/run/pinfold/loan-')) fs.closeSync(Number(name))
  }
}
console.log(`borrowed ${loan.pages}, repaired ${loan.repaired.length}`)

for await (const order of createInterface({ input: process.stdin })) {
  if (order === 'exit') process.exit(0)
  if (order === 'throw') throw new Error('thrown on purpose')
  if (order !== 'give back') break
  try {
    loan.giveBack()
    console.log('given back')
    break
  } catch (error) {
    console.log(error instanceof Error ? error.message : error)
  }
}
process.stdin.destroy()
