import { borrowHugepages } from '../../../src/hugepages/index.js'

// Borrows and gives back for as long as it lives, and prints a line before each step, so that it can be killed in any.

const [pageSize, pages] = process.argv.slice(2).map(Number)
for (;;) {
  console.log('borrows')
  const loan = borrowHugepages({ pageSize: pageSize ?? 0, pages: pages ?? 0 })
  console.log('gives back')
  loan.giveBack()
}
