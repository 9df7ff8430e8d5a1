import { PinfoldError } from '../../../src/errors.js'
import { openLoans, repairLoans } from '../../../src/hugepages/index.js'

// Reads the loans in /run/pinfold, repairs them, and prints both outcomes. It may run with a copy of /run, or in other
// namespaces than the borrowers.

function outcome<Result>(call: () => Result) {
  try {
    return call()
  } catch (error) {
    if (!(error instanceof PinfoldError)) throw error
    return { code: error.code, message: error.message, hint: error.hint }
  }
}

console.log(JSON.stringify({ loans: outcome(openLoans), repaired: outcome(repairLoans) }))
