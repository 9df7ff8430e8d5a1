import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { runInThisContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import {
  borrowHugepages,
  openLoans,
  openRegistrySync,
  PinfoldError,
  repairLoans,
  virtToPhys,
} from '../../../src/index.js'
import { native } from '../../../src/native.js'

// Does things that would disturb other tests in the same process, and prints the outcome as one line of JSON.

const failure = (call: () => unknown) => {
  try {
    call()
    return 'none'
  } catch (error) {
    return error instanceof PinfoldError ? error.code : String(error)
  }
}

const ways: Readonly<Record<string, () => unknown>> = {
  /** Moves the memory away to which native code writes. */
  'takes the cell'() {
    const { pagemapCell = new ArrayBuffer(0) } = native
    const moves = [
      () => structuredClone(pagemapCell, { transfer: [pagemapCell] }),
      () => Reflect.get(pagemapCell, 'transfer').call(pagemapCell),
    ].map(failure)
    return { moves, failure: failure(() => virtToPhys(new Uint8Array(1))) }
  },

  /** Interrupts a blocking allocation, as Ctrl-C in a REPL does. */
  async 'cuts off'() {
    const memory = openRegistrySync({ budget: '8GiB', leaks: 'off' })
    const allocate = () => memory.allocateSync('cut', { size: '2GiB', pages: 'base' })
    // The schema of the options is made at its first use, and an interruption leaves it half made (docs/safety.md).
    memory.allocateSync('first', { size: 1, pages: 'base' }).close()
    Object.assign(globalThis, { allocate })
    const code = failure(() => runInThisContext('allocate()', { timeout: 5 }))
    await Promise.resolve()
    const { pending, budget } = memory.stats()
    const again = failure(() => memory.allocateSync('cut', { size: 1, pages: 'base' }))
    memory.close()
    return { code, pending, used: budget.total?.used, again }
  },

  /** Calls functions with no descriptor left. */
  'opens no file'() {
    const memory = openRegistrySync({ budget: { perNode: { 0: '1GiB' } }, leaks: 'off' })
    const open: number[] = []
    for (;;) {
      try {
        open.push(openSync('/dev/null', 'r'))
      } catch {
        break
      }
    }
    const told = {
      openLoans: failure(openLoans),
      repairLoans: failure(repairLoans),
      borrowHugepages: failure(() => borrowHugepages({ pageSize: '2MiB', pages: 1 })),
      allocateSync: failure(() => memory.allocateSync('none', { size: '1MiB', pages: 'base' })),
    }
    for (const file of open) closeSync(file)
    const afterwards = failure(() => memory.allocateSync('some', { size: '1MiB', pages: 'base' }))
    memory.close()
    return { ...told, afterwards }
  },

  /** Ends while a worker waits for a lock that is never released. */
  async 'exits under a lock'() {
    const folder = mkdtempSync(`${tmpdir()}/pinfold-lock-`)
    process.on('exit', () => rmSync(folder, { recursive: true }))
    const path = `${folder}/lock`
    native.lockFile(openSync(path, 'a'))
    const addon = fileURLToPath(new URL('../../../build/Release/pinfold.node', import.meta.url))
    const program = `
      const native = require('${addon}')
      require('node:worker_threads').parentPort.postMessage('waits')
      native.lockFile(require('node:fs').openSync('${path}', 'a'), () => {})`
    const worker = new Worker(program, { eval: true })
    worker.on('message', () => setTimeout(() => process.exit(5), 50))
    return 'waiting'
  },
}

console.log(JSON.stringify(await ways[process.argv[2] ?? '']?.()))
