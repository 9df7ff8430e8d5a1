/** The report of a suite's runner, test by test. `npm test` counts only such reports. */
export interface Outcome {
  readonly suite: string
  readonly passed: number
  readonly failed: readonly Failure[]
  readonly skipped: readonly Skipped[]
  readonly seconds: number
}

export interface Failure {
  readonly name: string
  /** The text that a reader needs to repair the failure; it may have several lines. */
  readonly detail: string
}

export interface Skipped {
  readonly name: string
  readonly reason: string
}

/** Counts the checks of a suite that is not run by a test framework: lint, types, build, package. */
export class Checks {
  readonly #suite: string
  readonly #started = performance.now()
  readonly #failed: Failure[] = []
  readonly #skipped: Skipped[] = []
  #passed = 0

  constructor(suite: string) {
    this.#suite = suite
  }

  /** `detail` is empty when the check passed. */
  add(name: string, detail: string): void {
    if (detail === '') this.#passed++
    else this.#failed.push({ name, detail })
  }

  /** Adds a check that passes if `body` returns, and fails if `body` throws. */
  async that(name: string, body: () => Promise<void> | void): Promise<void> {
    try {
      await body()
      this.add(name, '')
    } catch (error) {
      this.add(name, error instanceof Error ? error.message : String(error))
    }
  }

  skip(name: string, reason: string): void {
    this.#skipped.push({ name, reason })
  }

  outcome(): Outcome {
    const seconds = (performance.now() - this.#started) / 1000
    return { suite: this.#suite, passed: this.#passed, failed: this.#failed, skipped: this.#skipped, seconds }
  }
}

/** The outcome of a suite that reported nothing, which counts as failed. */
export function silent(suite: string, why: string, seconds: number): Outcome {
  return { suite, passed: 0, failed: [{ name: 'the suite reports', detail: why }], skipped: [], seconds }
}

/** Prints a line for every suite, then each failure and each reason for skipping. The last line is the sum alone. */
export function printSummary(outcomes: readonly Outcome[]): void {
  const total = { passed: 0, failed: 0, skipped: 0 }
  const width = Math.max(...outcomes.map(({ suite }) => suite.length), 'suite'.length)
  const line = (suite: string, ...cells: readonly (string | number)[]): string =>
    `${suite.padEnd(width)}${cells.map((cell) => String(cell).padStart(9)).join('')}`

  const lines = ['', line('suite', 'passed', 'failed', 'skipped', 'seconds')]
  for (const { suite, passed, failed, skipped, seconds } of outcomes) {
    lines.push(line(suite, passed, failed.length, skipped.length, seconds.toFixed(1)))
    total.passed += passed
    total.failed += failed.length
    total.skipped += skipped.length
  }
  for (const { suite, failed } of outcomes) {
    for (const { name, detail } of failed) lines.push('', `FAILED  ${suite}: ${name}`, indent(detail))
  }
  lines.push(...reasonsForSkipping(outcomes))
  lines.push('', `${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  console.log(lines.join('\n'))
}

/** One line for each reason, with the number of tests that were skipped for this reason, and their suites. */
function reasonsForSkipping(outcomes: readonly Outcome[]): string[] {
  const suitesByReason = new Map<string, string[]>()
  for (const { suite, skipped } of outcomes) {
    // The same test on another Node skips for the same reason: the suite is named once, without its Node.
    const name = suite.replace(/ \(Node .*/, '')
    for (const { reason } of skipped) suitesByReason.set(reason, [...(suitesByReason.get(reason) ?? []), name])
  }
  if (suitesByReason.size === 0) return []
  const lines = ['', 'Skipped:']
  for (const [reason, suites] of suitesByReason) {
    lines.push(`  ${String(suites.length).padStart(3)} × ${reason} (${[...new Set(suites)].join(', ')})`)
  }
  return lines
}

function indent(text: string): string {
  const most = 60
  const lines = text.trimEnd().split('\n')
  const shown = lines.length <= most ? lines : [...lines.slice(0, most), `… ${lines.length - most} more lines`]
  return shown.map((line) => `        ${line}`).join('\n')
}
