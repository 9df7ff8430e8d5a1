import { PinfoldError } from '../../../src/errors.js'
import { openLoans, repairLoans } from '../../../src/hugepages/index.js'

// Looks at the loans that /run/pinfold tells of and repairs them; prints what came of either. It may be run where /run is
// a copy, or in other namespaces than the borrowers.

function outcome<Result>(call: () => Result) {
  try {
    return call()
  } catch (error) {
    if (!(error instanceof PinfoldError)) throw error
    return { code: error.code, message: error.message, hint: error.hint }
  }
}

console.log(JSON.stringify({ loans: outcome(openLoans), repaired: outcome(repairLoans) }))
