import { readFileSync } from 'node:fs'
import { PinfoldError } from '../../src/errors.js'
import { borrowHugepages, type HugepageLoan, poolDirectory } from '../../src/hugepages/index.js'
import { formatSize } from '../../src/sizes.js'

// The tests run on real hugepages. Who runs them borrows the pages for the whole run: `npm test` in its own process,
// which outlives every vitest; and a vitest that was started by hand does it here, as its global set-up.

/** Set for the vitest processes of a run that has borrowed already. */
const borrowedMark = 'PINFOLD_TEST_HUGEPAGES'

const MiB = 2 ** 20
const GiB = 2 ** 30

/**
 * What the suites need at once at most, and the part of the available memory that they may have of it. A machine that
 * has run for a while has 1 GiB in one piece only once its page cache is dropped.
 */
const wishes = [
  { pageSize: 2 * MiB, pages: 1024, share: 1 / 4, dropCaches: false },
  { pageSize: GiB, pages: 1, share: 1 / 4, dropCaches: true },
]

/** The pages of one run; say `giveBack` at its end. An exit and a signal give them back, too. */
export class BorrowedPages {
  readonly #loans: HugepageLoan[] = []
  /** A line for each page size: what was borrowed, or why not. Tests that find too little then skip, or say so. */
  readonly report: readonly string[]

  constructor() {
    const available = memoryAvailable()
    this.report = wishes.map(({ pageSize, pages, share, dropCaches }) => {
      const name = formatSize(pageSize)
      const wanted = Math.min(pages, Math.floor((available * share) / pageSize))
      if (wanted === 0) return `no ${name} page borrowed: only ${formatSize(available)} of memory are available`
      try {
        this.#loans.push(borrowHugepages({ pageSize, pages: wanted, compact: true, dropCaches }))
        return `${wanted} ${wanted === 1 ? 'page' : 'pages'} of ${name} borrowed (${poolDirectory(pageSize, undefined)})`
      } catch (error) {
        if (!(error instanceof PinfoldError)) throw error
        return `no ${name} page borrowed: ${error.message}`
      }
    })
    process.env[borrowedMark] = 'borrowed'
  }

  giveBack(): void {
    delete process.env[borrowedMark]
    for (const loan of this.#loans.splice(0)) loan.giveBack()
  }
}

/** vitest's global set-up; what it returns is the teardown. */
export default function setup(): (() => void) | undefined {
  if (process.env[borrowedMark]) return undefined
  const pages = new BorrowedPages()
  for (const line of pages.report) console.log(line)
  return () => pages.giveBack()
}

function memoryAvailable(): number {
  const [, kibibytes = '0'] = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'latin1')) ?? []
  return Number(kibibytes) * 1024
}
