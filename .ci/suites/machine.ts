import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Checks, type Outcome } from '../outcome.js'

const pools = '/sys/kernel/mm/hugepages'
const journals = '/run/pinfold'

/** The state of the machine before the suites, which they must restore. Their temporary files are in our folder. */
export class Machine {
  readonly #folder = mkdtempSync(join(tmpdir(), 'pinfold-test-'))
  readonly #before = look()
  readonly #lenders = lenders()

  constructor() {
    chmodSync(this.#folder, 0o1777) // some tests run programs as another user
    process.env.TMPDIR = this.#folder
  }

  /** Compares the machine with its earlier state, and removes the folder. */
  async check(): Promise<Outcome> {
    const checks = new Checks('machine')
    await checks.that('no temporary file of a test is left', () => {
      // The caches that tsx and vitest keep there are removed with the folder.
      assert.deepEqual(
        readdirSync(this.#folder).filter((name) => name.startsWith('pinfold')),
        [],
      )
    })
    const others = new Set([...this.#lenders, ...lenders()])
    const after = look()
    for (const [what, before] of Object.entries(this.#before)) {
      if (others.size > 0) checks.skip(what, `process ${[...others].join(', ')} uses pinfold at the same time`)
      else await checks.that(`${what} are as before`, () => assert.equal(after[what as keyof typeof after], before))
    }
    rmSync(this.#folder, { recursive: true, force: true })
    return checks.outcome()
  }
}

/** Other processes with open loans, such as another test run. Their changes cannot be told apart from ours. */
function lenders(): number[] {
  const pids = list(journals).map((name) => Number(/^loan-(\d+)-/.exec(name)?.[1]))
  return pids.filter((pid) => pid !== process.pid && existsSync(`/proc/${pid}`))
}

function look() {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  return {
    'hugepage pools': list(pools)
      .map((size) => `${size} ${read(`${pools}/${size}/nr_hugepages`)}`)
      .join('\n'),
    'hugetlbfs and cgroup mounts': mounts.filter((mount) => / (hugetlbfs|cgroup2?) /.test(mount)).join('\n'),
    'swap spaces': read('/proc/swaps').replaceAll(/ .*/g, ''), // their names, without how much is used
    'journals of lent hugepages': list(journals)
      .filter((name) => name !== 'hugepages.lock')
      .join('\n'),
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return [] // the folder does not exist, or only root may read it: then this user has left nothing in it
  }
}

function read(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}
