import { readFileSync } from 'node:fs'
import { PinfoldError } from '../../src/errors.js'
import { borrowHugepages, type HugepageLoan, poolDirectory } from '../../src/hugepages/index.js'
import { formatSize } from '../../src/sizes.js'

// The tests run on real hugepages, which are borrowed for the whole run. `npm test` borrows them in its own process,
// which outlives every vitest. A vitest that was started by hand borrows them here, in its global set-up.

/** The variable is set for vitest processes of a run that has already borrowed. */
const borrowedMark = 'PINFOLD_TEST_HUGEPAGES'

const MiB = 2 ** 20
const GiB = 2 ** 30

/**
 * The most pages that the tests need at once, and the share of the available memory that they may take. A machine that
 * has run for a while finds 1 GiB in one piece only after its page cache is dropped.
 */
const wishes = [
  { pageSize: 2 * MiB, pages: 1024, share: 1 / 4, dropCaches: false },
  { pageSize: GiB, pages: 1, share: 1 / 4, dropCaches: true },
]

/** The borrowed pages of one run. Call `giveBack` at its end. An exit and a signal give them back, too. */
export class BorrowedPages {
  readonly #loans: HugepageLoan[] = []
  /**
   * A line for each page size, with the borrowed pages or the reason why none were. Tests that find too few are
   * skipped.
   */
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

/** vitest's global set-up. Returns the teardown. */
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
