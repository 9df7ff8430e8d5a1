import { PinfoldError } from '../../../src/errors.js'
import { resizePool } from '../../../src/hugepages/index.js'

// Resizes a hugepage pool, and prints the outcome.

const [pageSize, pages] = process.argv.slice(2).map(Number)
try {
  resizePool({ pageSize: pageSize ?? 0, pages: pages ?? 0 })
  console.log('resized')
} catch (error) {
  if (!(error instanceof PinfoldError)) throw error
  console.log(JSON.stringify({ code: error.code, hint: error.hint }))
}
