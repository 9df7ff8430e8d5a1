import { once } from 'node:events'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { createInterface } from 'node:readline'
import { borrowHugepages } from '../../src/memory/hugepage-loan.js'

// Borrows, says so, and then ends as it is told on stdin. In between it may listen to SIGINT itself, or be interrupted
// at the very write that raises the pool.

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
console.log(`borrowed ${loan.pages}, repaired ${loan.repaired.length}`)

const [order] = await once(createInterface({ input: process.stdin }), 'line')
switch (order) {
  case 'give back':
    loan.giveBack()
    console.log('given back')
    process.stdin.destroy()
    break
  case 'exit':
    process.exit(0)
    break
  case 'throw':
    throw new Error('thrown on purpose')
  default:
    process.stdin.destroy()
}
