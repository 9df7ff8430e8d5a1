import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { borrowHugepages, repairLoans } from '../../../src/hugepages/index.js'

// Dies of SIGKILL right before its nth call that changes the file system. Ends by itself if it makes fewer calls. Every
// step of a loan is such a call, so that a kill can come between any two of them.

const [pageSize, pages, nth, task] = process.argv.slice(2)
let calls = 0

function dyingAt<Arguments extends unknown[], Result>(call: (...args: Arguments) => Result) {
  return (...args: Arguments): Result => {
    calls++
    if (calls === Number(nth)) process.kill(process.pid, 'SIGKILL')
    return call(...args)
  }
}

fs.mkdirSync = dyingAt(fs.mkdirSync) as typeof fs.mkdirSync
fs.openSync = dyingAt(fs.openSync)
fs.writeSync = dyingAt(fs.writeSync) as typeof fs.writeSync
fs.unlinkSync = dyingAt(fs.unlinkSync)
fs.closeSync = dyingAt(fs.closeSync)
syncBuiltinESMExports()

if (task === 'repair') {
  repairLoans()
} else {
  borrowHugepages({ pageSize: Number(pageSize), pages: Number(pages) }).giveBack()
}
process.exit(0)
