import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { PinfoldError } from '../../../src/errors.js'
import { borrowHugepages } from '../../../src/hugepages/index.js'

// Borrows from a kernel that seems to find too few pages. A real shortage would need all memory of the machine. So the
// write that raises the pool asks for fewer pages instead.

const [pageSize = 0, pages = 0, missing = 0] = process.argv.slice(2).map(Number)
const { writeSync } = fs
let isFirst = true

fs.writeSync = ((file: number, text: string) => {
  const isCount = /^\d+$/.test(text)
  const isRaise = isCount && isFirst
  if (isCount) isFirst = false
  return writeSync(file, isRaise ? `${Number(text) - missing}` : text)
}) as typeof writeSync
syncBuiltinESMExports()

try {
  borrowHugepages({ pageSize, pages })
} catch (error) {
  if (!(error instanceof PinfoldError)) throw error
  const { code, message, values, hint } = error
  console.log(JSON.stringify({ code, message, values, hint }))
}
