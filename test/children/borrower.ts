import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { borrowHugepages } from '../../src/memory/hugepage-loan.js'

// Borrows, says so, and then ends as it is told on stdin.

const [pageSize, pages, mode] = process.argv.slice(2)
if (mode === 'listens') process.on('SIGINT', () => console.log('interrupted'))
const loan = borrowHugepages({ pageSize: Number(pageSize), pages: Number(pages) })
console.log(`borrowed ${loan.pages}, repaired ${loan.repaired.length}`)

const [order] = await once(createInterface({ input: process.stdin }), 'line')
switch (order) {
  case 'give back':
    loan.giveBack()
    console.log(`given back, listening to ${process.listenerCount('SIGINT')}`)
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
