import type { Outcome } from './outcome.js'
import { printSummary, silent } from './outcome.js'
import { signalAll } from './processes.js'
import { Machine } from './suites/machine.js'

/**
 * One run of suites, from the first suite to the summary. It checks the machine before and after the suites. It passes
 * a signal on to the running suite, so that the suite gives its hugepages back and the summary still shows what ran.
 */
export class Session {
  readonly #command: string
  readonly #machine = new Machine()
  readonly #outcomes: Outcome[] = []
  #interrupted = false

  /** @param command the command line, for the summary */
  constructor(command: string) {
    this.#command = command
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        this.#interrupted = true
        signalAll(signal)
      })
    }
  }

  get interrupted(): boolean {
    return this.#interrupted
  }

  add(...outcomes: readonly Outcome[]): void {
    this.#outcomes.push(...outcomes)
  }

  hasFailed(suite: string): boolean {
    return this.#outcomes.some((outcome) => outcome.suite === suite && outcome.failed.length > 0)
  }

  announce(what: string): void {
    console.log(`── ${what}`)
  }

  /** Runs the checks in turn, each announced by its name. */
  async runChecks(checks: Readonly<Record<string, () => Promise<Outcome>>>): Promise<void> {
    for (const [suite, check] of Object.entries(checks)) {
      if (this.#interrupted) return
      this.announce(suite)
      this.add(await check())
    }
  }

  /** Runs `body` with real hugepages for its tests. The hugepages are given back in any case. */
  async onHugepages(body: () => Promise<void>): Promise<void> {
    // This import must come after the build, since pinfold itself borrows the hugepages, and so calls the addon.
    const { BorrowedPages } = await import('../test/support/hugepages.js')
    const pages = new BorrowedPages()
    this.announce('hugepages for the tests')
    for (const line of pages.report) console.log(`   ${line}`)
    try {
      await body()
    } finally {
      pages.giveBack()
    }
  }

  /** Runs `body`, checks the machine, prints the summary, and sets the exit status: 1 if anything failed. */
  async run(body: () => Promise<void>): Promise<void> {
    try {
      await body()
    } catch (error) {
      // An error in the runner itself is a failure like any other, and the run still ends with a summary.
      this.add(silent(this.#command, error instanceof Error ? (error.stack ?? error.message) : String(error), 0))
    }
    this.add(await this.#machine.check())
    if (this.#interrupted) this.add(silent(this.#command, 'interrupted: not every suite ran', 0))
    printSummary(this.#outcomes)
    process.exitCode = this.#outcomes.some(({ failed }) => failed.length > 0) ? 1 : 0
  }
}
