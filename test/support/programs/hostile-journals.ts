import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { PinfoldError } from '../../../src/errors.js'
import { openLoans, repairLoans } from '../../../src/hugepages/index.js'

// Puts one wrong file after another into /run/pinfold. The /run must be private to this process. For each file, the
// program reads the loans, repairs them, runs the command of the hint, and repairs again. It prints the outcomes.

const folder = '/run/pinfold'
const journal = `${folder}/loan-4711-00000000-0000-0000-0000-000000000000`
const lock = `${folder}/hugepages.lock`
const good = {
  step: 'raise',
  version: 2,
  file: '1:1',
  boot: 'none',
  lock: '1:2',
  pageSize: 2 ** 21,
  pages: 1,
  before: [],
}
const owner = { pid: 1, thread: 1, startTime: 0, pidNamespace: 1, timeNamespace: 1 }

function line(step: unknown): string {
  return `${JSON.stringify(step)}\n`
}

function makeNode(path: string, ...kind: string[]): void {
  rmSync(path, { recursive: true, force: true })
  spawnSync('mknod', [path, ...kind])
}

const things: Record<string, () => void> = {
  null: () => writeFileSync(journal, line(null)),
  words: () => writeFileSync(journal, 'not a journal\n'),
  bytes: () => writeFileSync(journal, Buffer.from([0xff, 0xfe, 0, 10, 0])),
  'a number': () => writeFileSync(journal, line(5)),
  'wrong types': () => writeFileSync(journal, line({ ...good, owner, pages: '1' })),
  'huge numbers': () => writeFileSync(journal, line({ ...good, owner, pages: 1e308, pageSize: 1e308 })),
  'a page size that is none': () => writeFileSync(journal, line({ ...good, owner, pageSize: 12345 })),
  'a hundred megabytes': () => writeFileSync(journal, Buffer.alloc(1e8, '[')),
  'a FIFO': () => makeNode(journal, 'p'),
  'a device': () => makeNode(journal, 'c', '1', '5'),
  'a symbolic link': () => symlinkSync('/etc/passwd', journal),
  'a link to itself': () => symlinkSync(journal, journal),
  'a directory': () => mkdirSync(`${journal}/more`, { recursive: true }),
  'a file of another user': () => {
    writeFileSync(journal, line({ ...good, owner }))
    chownSync(journal, 65534, 65534)
  },
  'a file with a strange name': () => writeFileSync(`${folder}/loan-$(touch hacked)'; x`, 'not a journal\n'),
  'a FIFO as the lock': () => makeNode(lock, 'p'),
  'a link as the lock': () => {
    rmSync(lock)
    symlinkSync('/run/target', lock)
  },
  'a directory as the lock': () => {
    rmSync(lock)
    mkdirSync(lock)
  },
  'a folder that others may write to': () => chmodSync(folder, 0o777),
  'a folder of another user': () => chownSync(folder, 65534, 65534),
  'a file as the folder': () => {
    rmSync(folder, { recursive: true })
    writeFileSync(folder, '')
  },
}

function outcome(call: () => unknown) {
  try {
    return call()
  } catch (error) {
    if (!(error instanceof PinfoldError)) return String(error)
    return { code: error.code, message: error.message, hint: error.hint }
  }
}

const told: Record<string, unknown> = {}
for (const [name, put] of Object.entries(things)) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { mode: 0o700 })
  writeFileSync(lock, '', { mode: 0o600 })
  put()
  const loans = outcome(openLoans)
  const repaired = outcome(repairLoans)
  const hint = typeof repaired === 'object' && repaired !== null && 'hint' in repaired ? `${repaired.hint}` : 'false'
  const mended = spawnSync('sh', ['-c', hint.replaceAll('sudo ', '')]).status
  told[name] = { loans, repaired, mended, afterwards: outcome(repairLoans) }
}
console.log(JSON.stringify(told))
